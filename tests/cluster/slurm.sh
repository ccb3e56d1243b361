#!/usr/bin/env bash
# A real Slurm of several virtual nodes on this machine: slurm.sh up | crash NODE | start NODE | hide FOLDER NODE | down
#
# Needs slurmctld, slurmd, slurm-client and munge, and runs as root or as one ordinary user; no systemd, no cgroups.
# Everything is under $SLURM_PREFIX and listens on loopback, from $BASE_PORT on. Each node has process, mount and
# host-name namespaces of its own: `crash` is a power-off, `hide` covers a folder until the node is started again, and
# $SLURM_PREFIX/private is another folder on every node.
# A number in $SLURM_PREFIX/limit limits the jobs that a user may have, as MaxSubmitJobs of an accounting database does.
set -euo pipefail
prefix=$SLURM_PREFIX nodes=${NODES:-4} cpus=${CPUS_PER_NODE:-2} memory=${MEMORY_PER_NODE:-6000} port=${BASE_PORT:-17000}
export PATH=/usr/sbin:/sbin:$PATH SLURM_CONF=$prefix/etc/slurm.conf
socket=$prefix/run/munge.socket

configure() {
  local host number
  host=$(hostname -s)
  mkdir -p "$prefix"/{etc,state,spool,log,run,munge,tmp,private}
  chmod 700 "$prefix/munge"
  chmod 755 "$prefix"
  (umask 077 && head -c 1024 /dev/urandom >"$prefix/munge/munge.key")
  cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$socket,cred_expire=10
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$prefix/state
SlurmdSpoolDir=$prefix/spool/%n
TmpFS=$prefix/tmp/%n
SlurmctldPidFile=$prefix/run/slurmctld.pid
SlurmdPidFile=$prefix/spool/%n/slurmd.pid
SlurmctldLogFile=$prefix/log/slurmctld.log
SlurmdLogFile=$prefix/log/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
PropagateResourceLimitsExcept=ALL
JobRequeue=1
ReturnToService=1
SlurmctldTimeout=30
SlurmdTimeout=10
InactiveLimit=0
KillWait=2
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobSubmitPlugins=lua
CONF
  cat >"$prefix/etc/job_submit.lua" <<LUA
function slurm_job_submit(_, _, user)
  local file, count = io.open("$prefix/limit"), 0
  if file == nil then return slurm.SUCCESS end
  local limit = file:read("*n")
  file:close()
  for _, job in pairs(slurm.jobs) do
    if job.user_id == user and job.job_state < 3 then count = count + 1 end -- pending, running, suspended
  end
  return count < limit and slurm.SUCCESS or 2050 -- ESLURM_ACCOUNTING_POLICY
end

function slurm_job_modify() return slurm.SUCCESS end
LUA
  for number in $(seq "$nodes"); do
    echo "NodeName=node$number NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + number)) CPUs=$cpus Boards=1" \
      "SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$memory State=UNKNOWN"
  done >>"$SLURM_CONF"
  echo "PartitionName=normal Nodes=node[1-$nodes] Default=YES MaxTime=24:00:00 LLN=YES State=UP" >>"$SLURM_CONF"
  printf 'CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\nConstrainDevices=no\n' >"$prefix/etc/cgroup.conf"
  { cat /etc/hosts && for number in $(seq "$nodes"); do echo "127.0.0.1 node$number"; done; } >"$prefix/etc/hosts"
}

start() {
  local node=$1 user=()
  mkdir -p "$prefix/spool/$node" "$prefix/tmp/$node"
  [ "$(id -u)" -eq 0 ] || user=(--user --map-current-user --keep-caps)
  # bash is process 1 of the node; the death of unshare kills it, and with it the node.
  setsid unshare "${user[@]}" --pid --fork --kill-child=KILL --mount-proc --uts bash -c \
    "mount --bind '$prefix/etc/hosts' /etc/hosts && mount -t tmpfs none '$prefix/private' && hostname $node
     slurmd -D -N $node & wait \$!" </dev/null >>"$prefix/log/$node.console" 2>&1 &
  echo $! >"$prefix/run/$node.pid"
}

crash() { kill -KILL "$(cat "$prefix/run/$1.pid")"; }

hide() {
  local user=()
  [ "$(id -u)" -eq 0 ] || user=(--user --preserve-credentials)
  nsenter --target "$(pgrep --parent "$(cat "$prefix/run/$2.pid")")" --mount "${user[@]}" mount -t tmpfs none "$1"
}

stop() {
  [ ! -s "$1" ] || kill "-$2" "$(cat "$1")" 2>/dev/null || true
  rm -f "$1"
}

case $1 in
  up)
    configure
    munged --key-file="$prefix/munge/munge.key" --socket="$socket" --pid-file="$prefix/run/munged.pid" \
      --log-file="$prefix/munge/munged.log" --seed-file="$prefix/munge/munged.seed"
    slurmctld -c
    for number in $(seq "$nodes"); do start "node$number"; done
    for _ in $(seq 240); do
      [ "$(sinfo -h -N -o %t 2>/dev/null | grep -c '^idle$')" -ne "$nodes" ] || exit 0
      sleep 0.25
    done
    echo "the cluster did not come up; see $prefix/log" >&2
    exit 1
    ;;
  crash | start | hide) "$@" ;;
  down)
    timeout 10 scancel --full -u "$(id -un)" 2>/dev/null || true
    for file in "$prefix"/run/node*.pid; do stop "$file" KILL; done
    stop "$prefix/run/slurmctld.pid" TERM
    stop "$prefix/run/munged.pid" TERM
    ;;
esac
