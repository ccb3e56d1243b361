#!/usr/bin/env bash
# A real Slurm of virtual nodes on this machine: slurm.sh up | off NODE | start NODE | hide FOLDER NODE | down
#
# Needs slurmctld, slurmd, slurm-client, munge and iproute2, and runs as root or as one ordinary user who may use sudo
# for the network; no systemd, no cgroups. Everything is under $SLURM_PREFIX.
# Each node has process, mount, host-name and network namespaces of its own. Its first network, net0, leads nowhere.
# The one between the nodes and this machine has another name on each: fast1, fast2, …; the addresses are $SUBNET.1,
# $SUBNET.2, …, and here $SUBNET.254. `off` is a power-off: the node leaves the network without a word, and all its
# processes die. `hide` covers a folder until the node is started again, and $SLURM_PREFIX/private is another folder on
# every node. A job that uses more memory than it asked for is killed within seconds.
# A number in $SLURM_PREFIX/limit limits the jobs that a user may have, as MaxSubmitJobs of an accounting database does.
set -euo pipefail
prefix=$SLURM_PREFIX nodes=${NODES:-4} cpus=${CPUS_PER_NODE:-2} memory=${MEMORY_PER_NODE:-6000}
subnet=${SUBNET:-198.18.0} port=17000
network=s${subnet//./}
export PATH=/usr/sbin:/sbin:$PATH SLURM_CONF=$prefix/etc/slurm.conf
socket=$prefix/run/munge.socket
as_root=() own=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n) own=(--user --map-current-user --keep-caps)

configure() {
  local host number
  host=$(hostname -s)
  mkdir -p "$prefix"/{etc,state,spool,log,run,munge,tmp,private}
  chmod 700 "$prefix/munge"
  chmod 755 "$prefix"
  (umask 077 && head -c 1024 /dev/urandom >"$prefix/munge/munge.key")
  cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host($subnet.254)
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
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
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
    echo "NodeName=node$number NodeHostname=$host NodeAddr=$subnet.$number Port=$((port + 1)) CPUs=$cpus Boards=1" \
      "SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$memory State=UNKNOWN"
  done >>"$SLURM_CONF"
  echo "PartitionName=normal Nodes=node[1-$nodes] Default=YES MaxTime=24:00:00 LLN=YES State=UP" >>"$SLURM_CONF"
  printf 'CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\nConstrainDevices=no\n' >"$prefix/etc/cgroup.conf"
  {
    echo "$subnet.254 $host"
    for number in $(seq "$nodes"); do echo "$subnet.$number node$number"; done
    grep -vw "$host" /etc/hosts
  } >"$prefix/etc/hosts"
}

connect() {
  "${as_root[@]}" ip link delete "$network" 2>/dev/null || true
  "${as_root[@]}" ip link add "$network" type bridge
  "${as_root[@]}" ip address add "$subnet.254/24" dev "$network"
  "${as_root[@]}" ip link set "$network" up
}

start() {
  local node=$1 number=${1#node} inside
  mkdir -p "$prefix/spool/$node" "$prefix/tmp/$node"
  # bash is process 1 of the node; the death of unshare kills it, and with it the node.
  setsid unshare "${own[@]}" --pid --fork --kill-child=KILL --mount-proc --uts --net bash -c \
    "mount --bind '$prefix/etc/hosts' /etc/hosts && mount -t tmpfs none '$prefix/private' && hostname $node
     ip link set lo up
     ip link add net0 type bridge && ip address add 203.0.113.$number/24 dev net0 && ip link set net0 up
     until ip link set fast$number up; do sleep 0.1; done
     ip address add $subnet.$number/24 dev fast$number
     slurmd -D -N $node & wait \$!" </dev/null >>"$prefix/log/$node.console" 2>&1 &
  echo $! >"$prefix/run/$node.pid"
  until inside=$(pgrep --parent $!); do sleep 0.1; done
  "${as_root[@]}" ip link add "$network-$number" type veth peer name "fast$number" netns "$inside"
  "${as_root[@]}" ip link set "$network-$number" master "$network" up
}

off() {
  "${as_root[@]}" ip link delete "$network-${1#node}"
  kill -KILL "$(cat "$prefix/run/$1.pid")"
}

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
    connect
    munged --key-file="$prefix/munge/munge.key" --socket="$socket" --pid-file="$prefix/run/munged.pid" \
      --log-file="$prefix/munge/munged.log" --seed-file="$prefix/munge/munged.seed"
    # Where its host has the address of the network, it listens there alone.
    unshare "${own[@]}" --mount bash -c "mount --bind '$prefix/etc/hosts' /etc/hosts && slurmctld -c"
    for number in $(seq "$nodes"); do start "node$number"; done
    for _ in $(seq 240); do
      [ "$(sinfo -h -N -o %t 2>/dev/null | grep -c '^idle$')" -ne "$nodes" ] || exit 0
      sleep 0.25
    done
    echo "the cluster did not come up; see $prefix/log" >&2
    exit 1
    ;;
  off | start | hide) "$@" ;;
  down)
    timeout 10 scancel --full -u "$(id -un)" 2>/dev/null || true
    for file in "$prefix"/run/node*.pid; do stop "$file" KILL; done
    stop "$prefix/run/slurmctld.pid" TERM
    stop "$prefix/run/munged.pid" TERM
    "${as_root[@]}" ip link delete "$network" 2>/dev/null || true
    ;;
esac
