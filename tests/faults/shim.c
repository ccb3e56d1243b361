/* Preloaded into a process: records what it does to files under a folder, or lets one of these calls go wrong.

   FAULTS_UNDER  the folder; other files are left alone
   FAULTS_LOG    record every call, with its data, into this file (see replay.py)
   FAULTS_CALLS  names of the calls that are counted, in one string: "open write truncate rename fsync mkdir unlink flock"
   FAULTS_AT     from the first counted call on, the number of the one that goes wrong; 0: none
   FAULTS_UNTIL  the number of the last one that does; by default that one alone
   FAULTS_ERRNO  what it fails with; 0: it does nothing and says that it did; -1: the process is killed, in mid-write

   A child of fork takes up new settings with `faults_arm`. Calls that the C library makes by itself, such as those of
   fwrite, are not seen: replay.py compares what it rebuilds with what is there, so that none is missed in silence. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, TRUNCATE, WRITE, RENAME, MKDIR, REMOVE, SYNC, LINK, UNKNOWN };

static char under[PATH_MAX], calls[256];
static size_t under_length;
static int log_file = -1, fault;
static long first, last;
static atomic_long counted;
static const char *const kinds[] = {"open", "write", "truncate", "rename", "fsync", "mkdir", "unlink", "flock"};
enum { KINDS = sizeof kinds / sizeof *kinds };
static atomic_long of_kind[KINDS];
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static long number(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? atol(text) : otherwise;
}

__attribute__((constructor)) void faults_arm(void) {
    const char *folder = getenv("FAULTS_UNDER"), *names = getenv("FAULTS_CALLS"), *log = getenv("FAULTS_LOG");
    snprintf(under, sizeof under, "%s", folder ? folder : "");
    under_length = strlen(under);
    snprintf(calls, sizeof calls, "%s", names ? names : "");
    first = number("FAULTS_AT", 0);
    last = number("FAULTS_UNTIL", first);
    fault = (int)number("FAULTS_ERRNO", EIO);
    counted = 0;
    for (int kind = 0; kind < KINDS; kind++) of_kind[kind] = 0;
    if (log && *log) {
        REAL(int, "open", const char *, int, ...);
        log_file = real(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

/* How many calls of a kind there were since faults_arm. */
long faults_counted(const char *call) {
    for (int kind = 0; kind < KINDS; kind++)
        if (!strcmp(call, kinds[kind])) return of_kind[kind];
    return -1;
}

static int concerns(const char *path) {
    return under_length && !strncmp(path, under, under_length) && (path[under_length] == '/' || !path[under_length]);
}

/* The absolute path of a name in an open folder; or of an open file, where the name is NULL. */
static const char *full(char *path, int folder, const char *name) {
    char link[64];
    ssize_t length = 0;
    if (name && *name == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return path;
    }
    if (folder == AT_FDCWD) {
        if (!getcwd(path, PATH_MAX)) path[0] = 0;
        length = (ssize_t)strlen(path);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        length = readlink(link, path, PATH_MAX - 1);
        if (length < 0) length = 0;
        path[length] = 0;
    }
    if (name) snprintf(path + length, (size_t)(PATH_MAX - length), "/%s", name);
    return path;
}

/* Whether this call goes wrong. It does not return where the process is to be killed. */
static int wrong(const char *call, const char *path) {
    if (!concerns(path)) return 0;
    for (int kind = 0; kind < KINDS; kind++)
        if (!strcmp(call, kinds[kind])) of_kind[kind]++;
    if (!first || !strstr(calls, call)) return 0;
    long now = ++counted;
    if (now < first || now > last) return 0;
    if (fault < 0 && strcmp(call, "write")) kill(getpid(), SIGKILL);
    errno = fault;
    return 1;
}

static void record(int kind, uint64_t inode, int64_t offset, const char *path, const char *other, const void *data,
                   size_t size) {
    struct { uint32_t kind, path, other, size; uint64_t inode; int64_t offset; } head =
        {(uint32_t)kind, (uint32_t)strlen(path), (uint32_t)strlen(other), (uint32_t)size, inode, offset};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)other, head.other},
                            {(void *)data, size}};
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (real(log_file, parts, 4) < 0) abort();
}

static uint64_t inode_of(int file) {
    struct stat found;
    return fstat(file, &found) ? 0 : (uint64_t)found.st_ino;
}

#define RECORDING(path) (log_file >= 0 && concerns(path))
#define BEGIN int keep; pthread_mutex_lock(&one_at_a_time)
#define END keep = errno; pthread_mutex_unlock(&one_at_a_time); errno = keep

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    REAL(int, "openat", int, const char *, int, ...);
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    full(path, folder, name);
    if (!writes || !concerns(path)) return real(folder, name, flags, mode);
    if (wrong("open", path)) return -1;
    BEGIN;
    struct stat before;
    int missing = stat(path, &before) != 0, file = real(folder, name, flags, mode);
    if (file >= 0 && RECORDING(path)) {
        if (missing) record(CREATE, inode_of(file), 0, path, "", "", 0);
        else if (flags & O_TRUNC) record(TRUNCATE, inode_of(file), 0, path, "", "", 0);
    }
    END;
    return file;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int openat(int at, const char *name, int flags, ...) { MODE(flags) return open_at(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE(flags) return open_at(at, name, flags, mode); }
int creat(const char *name, mode_t mode) { return open_at(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* All writes come here; an offset below zero is the file's own. */
static ssize_t write_at(int file, const void *data, size_t size, off_t offset) {
    char path[PATH_MAX];
    REAL(ssize_t, "write", int, const void *, size_t);
    static ssize_t (*real_at)(int, const void *, size_t, off_t);
    if (!real_at) real_at = (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
    if (!under_length || file == log_file || !concerns(full(path, file, NULL)))
        return offset < 0 ? real(file, data, size) : real_at(file, data, size, offset);
    if (wrong("write", path)) {
        if (fault > 0) return -1;
        if (fault == 0) return (ssize_t)size;
        (void)!real(file, data, size / 2);
        kill(getpid(), SIGKILL);
    }
    BEGIN;
    struct stat before;
    off_t at = offset >= 0 ? offset : lseek(file, 0, SEEK_CUR);
    if (offset < 0 && fcntl(file, F_GETFL) & O_APPEND && !fstat(file, &before)) at = before.st_size;
    ssize_t done = offset < 0 ? real(file, data, size) : real_at(file, data, size, offset);
    if (done > 0 && RECORDING(path)) record(WRITE, inode_of(file), at, path, "", data, (size_t)done);
    END;
    return done;
}

ssize_t write(int file, const void *data, size_t size) { return write_at(file, data, size, -1); }
ssize_t pwrite(int file, const void *data, size_t size, off_t at) { return write_at(file, data, size, at); }
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) { return write_at(file, data, size, at); }
ssize_t writev(int file, const struct iovec *parts, int count) { /* one after another, as a short write may end it */
    char path[PATH_MAX];
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (!under_length || file == log_file || !concerns(full(path, file, NULL))) return real(file, parts, count);
    ssize_t all = 0;
    for (int part = 0; part < count; part++) {
        ssize_t done = write_at(file, parts[part].iov_base, parts[part].iov_len, -1);
        if (done < 0) return all ? all : -1;
        all += done;
        if ((size_t)done < parts[part].iov_len) break;
    }
    return all;
}

static int truncate_to(int file, off_t length) {
    char path[PATH_MAX];
    REAL(int, "ftruncate64", int, off_t);
    full(path, file, NULL);
    if (wrong("truncate", path)) return fault > 0 ? -1 : 0;
    BEGIN;
    int done = real(file, length);
    if (!done && RECORDING(path)) record(TRUNCATE, inode_of(file), length, path, "", "", 0);
    END;
    return done;
}

int ftruncate(int file, off_t length) { return truncate_to(file, length); }
int ftruncate64(int file, off64_t length) { return truncate_to(file, length); }

static int rename_at(int from, const char *name, int to, const char *other) {
    char path[PATH_MAX], target[PATH_MAX];
    REAL(int, "renameat", int, const char *, int, const char *);
    full(path, from, name);
    full(target, to, other);
    if (wrong("rename", target)) return fault > 0 ? -1 : 0;
    BEGIN;
    int done = real(from, name, to, other);
    if (!done && RECORDING(path)) record(RENAME, 0, 0, path, target, "", 0);
    END;
    return done;
}

int rename(const char *name, const char *other) { return rename_at(AT_FDCWD, name, AT_FDCWD, other); }
int renameat(int from, const char *name, int to, const char *other) { return rename_at(from, name, to, other); }

static int mkdir_at(int folder, const char *name, mode_t mode) {
    char path[PATH_MAX];
    REAL(int, "mkdirat", int, const char *, mode_t);
    full(path, folder, name);
    if (wrong("mkdir", path)) return fault > 0 ? -1 : 0;
    BEGIN;
    int done = real(folder, name, mode);
    if (!done && RECORDING(path)) record(MKDIR, 0, 0, path, "", "", 0);
    END;
    return done;
}

int mkdir(const char *name, mode_t mode) { return mkdir_at(AT_FDCWD, name, mode); }
int mkdirat(int folder, const char *name, mode_t mode) { return mkdir_at(folder, name, mode); }

int unlinkat(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    REAL(int, "unlinkat", int, const char *, int);
    full(path, folder, name);
    if (wrong("unlink", path)) return fault > 0 ? -1 : 0;
    BEGIN;
    int done = real(folder, name, flags);
    if (!done && RECORDING(path)) record(REMOVE, 0, 0, path, "", "", 0);
    END;
    return done;
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

static int sync_file(int file, const char *call) {
    char path[PATH_MAX];
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    full(path, file, NULL);
    if (wrong(call, path)) return fault > 0 ? -1 : 0;
    BEGIN;
    int done = real(file);
    if (!done && RECORDING(path)) {
        struct stat found;
        fstat(file, &found);
        record(SYNC, (uint64_t)found.st_ino, S_ISDIR(found.st_mode), path, "", "", 0);
    }
    END;
    return done;
}

int fsync(int file) { return sync_file(file, "fsync"); }
int fdatasync(int file) { return sync_file(file, "fsync"); }

int flock(int file, int operation) {
    char path[PATH_MAX];
    REAL(int, "flock", int, int);
    if (wrong("flock", full(path, file, NULL))) return fault > 0 ? -1 : 0;
    return real(file, operation);
}

int linkat(int from, const char *name, int to, const char *other, int flags) {
    char path[PATH_MAX], target[PATH_MAX];
    REAL(int, "linkat", int, const char *, int, const char *, int);
    full(path, from, name);
    full(target, to, other);
    if (wrong("rename", target)) return fault > 0 ? -1 : 0;
    BEGIN;
    int done = real(from, name, to, other, flags);
    if (!done && RECORDING(path)) record(LINK, 0, 0, path, target, "", 0);
    END;
    return done;
}

int link(const char *name, const char *other) { return linkat(AT_FDCWD, name, AT_FDCWD, other, 0); }

/* What replay.py does not know how to replay is recorded as such, and fails the test. */
static void unknown(int folder, const char *name) {
    char path[PATH_MAX];
    if (RECORDING(full(path, folder, name))) record(UNKNOWN, 0, 0, path, "", "", 0);
}

int symlink(const char *to, const char *name) {
    REAL(int, "symlink", const char *, const char *);
    unknown(AT_FDCWD, name);
    return real(to, name);
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t size, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    unknown(to, NULL);
    return real(from, at, to, there, size, flags);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t size) {
    REAL(ssize_t, "sendfile64", int, int, off64_t *, size_t);
    unknown(to, NULL);
    return real(to, from, at, size);
}
