#!/usr/bin/env bash
# The front door: ./submit.sh COMMAND [options]. Builds on first use, finds or resolves Spark, starts its launcher.
set -euo pipefail

submitted="${EPOCHREALTIME:-}" # bash 5 and newer
unset CDPATH # with it, cd prints where it went
here="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)"
target="$here/spark-job/target"
jar="$target/kindling.jar"

fail() { # MESSAGE EXIT_CODE
  echo "kindling: $1" >&2
  exit "$2"
}

# A JVM takes the encoding of file names, arguments and output from its locale: UTF-8, here and on the executors.
use_utf8() {
  [ "$(locale charmap 2>/dev/null)" = UTF-8 ] || export LC_ALL=C.UTF-8
}

# Hadoop asks for the user's name, and ends with a null pointer where there is none.
require_user_name() {
  id -un >/dev/null 2>&1 || fail "user id $(id -u) has no name on this host, and Hadoop asks for one; run as a user that \
/etc/passwd lists, or add a line such as kindling:x:$(id -u):$(id -g)::/tmp:/bin/sh to it" 1
}

find_java() {
  if [ -n "${JAVA_HOME:-}" ]; then
    java="$JAVA_HOME/bin/java"
    [ -x "$java" ] || fail "JAVA_HOME is $JAVA_HOME, but there is no bin/java; set it to a JDK 17 or newer" 1
  else
    java="$(command -v java)" || fail "there is no java on the PATH; install JDK 17 or newer, or set JAVA_HOME" 1
  fi
}

is_stale() {
  [ ! -f "$jar" ] || [ -n "$(find "$here/pom.xml" "$here"/*/pom.xml "$here"/*/src/main "$here"/conf/*.yaml \
    -newer "$jar" -type f -print -quit 2>/dev/null)" ]
}

build() {
  [ -f "$here/pom.xml" ] || return 0 # a jar beside this script, without sources
  is_stale || return 0
  if ! command -v mvn >/dev/null; then
    [ -f "$jar" ] && return 0
    fail "spark-job/target/kindling.jar is not built and there is no mvn on the PATH; install Maven 3.8 or newer" 1
  fi
  echo "kindling: building spark-job/target/kindling.jar (a minute or two on first use) ..." >&2
  mvn -q -B -f "$here/pom.xml" -Dmaven.test.skip=true package >&2 || fail "the build failed; see Maven's messages above" 1
  touch "$jar"
}

# Sets spark_jars to a folder of Spark's jars: $SPARK_HOME/jars, $SPARK_JARS, or the ones that Maven resolves.
find_spark() {
  if [ -n "${SPARK_HOME:-}" ]; then
    [ -d "$SPARK_HOME/jars" ] || fail "SPARK_HOME is $SPARK_HOME, but there is no jars folder in it; unset it or correct it" 1
    SPARK_HOME="$(cd "$SPARK_HOME" && pwd)"
    spark_jars="$SPARK_HOME/jars"
    return
  fi
  if [ -n "${SPARK_JARS:-}" ]; then
    spark_jars="$(cd "$SPARK_JARS" 2>/dev/null && pwd)" || fail "SPARK_JARS is $SPARK_JARS, which is no folder; correct it" 1
    return
  fi
  spark_jars="$target/spark/jars"
  if [ ! -f "$target/spark/complete" ] || [ "$here/spark-job/pom.xml" -nt "$target/spark/complete" ]; then
    command -v mvn >/dev/null || fail "there is no Spark: set SPARK_HOME or SPARK_JARS, or install Maven 3.8 or newer" 1
    echo "kindling: resolving Spark's jars with Maven (once) ..." >&2
    rm -rf "$target/spark"
    mvn -q -B -f "$here/pom.xml" -pl spark-job -am -Pspark-jars -Dmaven.test.skip=true package >&2 \
      || fail "Maven could not resolve Spark's jars; see its messages above, or set SPARK_HOME" 1
    touch "$jar" "$target/spark/complete"
  fi
}

# Splits the arguments into Spark's and Kindling's own.
spark_options=()
kindling_options=()
embedded=true
help=false
split() {
  [ $# -gt 0 ] || help=true
  while [ $# -gt 0 ]; do
    case "$1" in
      --executor-memory | --executor-cores) # spark-submit gives them to other clusters than the embedded one only
        [ $# -ge 2 ] || fail "$1 needs a value" 2
        spark_options+=(--conf "spark.executor.${1#--executor-}=$2")
        shift 2
        ;;
      --executor-memory=* | --executor-cores=*)
        spark_options+=(--conf "spark.executor.${1#--executor-}")
        shift
        ;;
      --master | --deploy-mode | --conf | --driver-memory | --properties-file | --jars | --packages | --exclude-packages | \
        --repositories | --files | --archives | --driver-class-path | --driver-library-path | --driver-java-options | --queue | \
        --principal | --keytab | --proxy-user)
        [ $# -ge 2 ] || fail "$1 needs a value" 2
        case "$1=$2" in --master=* | --conf=spark.master=*) embedded=false ;; esac
        spark_options+=("$1" "$2")
        shift 2
        ;;
      --master=* | --deploy-mode=* | --conf=* | --driver-memory=* | --properties-file=* | --jars=* | --packages=* | \
        --exclude-packages=* | --repositories=* | --files=* | --archives=* | --driver-class-path=* | \
        --driver-library-path=* | --driver-java-options=* | --queue=* | --principal=* | --keytab=* | --proxy-user=*)
        case "$1" in --master=* | --conf=spark.master=*) embedded=false ;; esac
        spark_options+=("${1%%=*}" "${1#*=}")
        shift
        ;;
      --supervise)
        spark_options+=("$1")
        shift
        ;;
      -h | --help | --keys) # what the jar alone can say
        help=true
        kindling_options+=("$1")
        shift
        ;;
      --resume | --causal | --backward | --module | -v | --verbose | --*=* | [!-]* | "")
        kindling_options+=("$1")
        shift
        ;;
      *) # an option with a value, which may look like an option of Spark's
        kindling_options+=("${@:1:2}")
        shift $(($# > 1 ? 2 : 1))
        ;;
    esac
  done
}

# The classes of Spark's jars as a JVM maps them into its memory (class data sharing), for this JDK and these jars: made
# of those that a training has loaded, and used from then on. A JVM that an archive does not fit does without.
archive=""
kept_archives=3
find_archive() {
  [ "$embedded" = true ] && [ -w "$target" ] || return 0
  case "${spark_options[*]:-} ${SPARK_SUBMIT_OPTS:-} ${JAVA_TOOL_OPTIONS:-}" in
    *-javaagent:* | *-agentlib:* | *-agentpath:*) return 0 ;; # JDK 17 crashes where an agent is shown classes of an archive
  esac
  archive="$target/classes-$(ls -ldL "$java" "$spark_jars" | cksum | cut -d ' ' -f 1).jsa"
  if [ -f "$archive" ]; then
    share_classes "-XX:SharedArchiveFile=\"$archive\"" "-XX:SharedArchiveFile=\"$archive\""
  elif [ "${kindling_options[0]:-}" = train ]; then
    share_classes "-XX:DumpLoadedClassList=\"$work/driver.classes\"" "-XX:DumpLoadedClassList=\"$work/{{EXECUTOR_ID}}.classes\""
  fi
}
share_classes() { # OPTION_OF_THE_DRIVER OPTION_OF_THE_EXECUTORS
  local quiet="-Xlog:disable" # what a JVM says of an archive would go to the standard output
  SPARK_SUBMIT_OPTS="$1 $quiet $SPARK_SUBMIT_OPTS"
  spark_options=(--conf "spark.kindling.classes=$2 $quiet" "${spark_options[@]}")
}
# Nobody waits for it: in the background, by one process at a time, and in place once it is whole.
make_archive() {
  [ -n "$archive" ] && [ ! -f "$archive" ] && [ -f "$work/driver.classes" ] || return 0
  if ! command -v flock >/dev/null; then
    echo "kindling: without flock (util-linux) no archive of classes is made, and starts stay slower" >&2
    return 0
  fi
  exec 9>"$target/archiving.lock"
  flock -n 9 && [ ! -f "$archive" ] || return 0
  echo "kindling: archiving the classes that were loaded, in the background, for faster starts (once)" >&2
  # Without the numbers that lists of newer JDKs have, and the classes of other jars.
  local classes
  classes="$(sed -e '/ source: /d' -e 's/ id: .*//' "$work"/*.classes | sort -u)"
  (
    trap '' HUP INT # of the terminal
    making="$target/archiving"
    rm -rf "$making"
    mkdir "$making"
    printf '%s\n' "$classes" >"$making/classes"
    if "$java" -Xshare:dump -XX:SharedClassListFile="$making/classes" -XX:SharedArchiveFile="$making/classes.jsa" \
      -Xmx1g -XX:+UseSerialGC --add-modules jdk.incubator.vector -cp "$spark_jars/*"; then
      mv "$making/classes.jsa" "$archive"
    fi
    rm -rf "$making"
    ls -dt "$target"/classes-*.jsa | tail -n "+$((kept_archives + 1))" | while IFS= read -r old; do
      rm -f "$old"
    done
  ) </dev/null >/dev/null 2>&1 &
}

# Spark's launcher prints the driver's command, its parts and a last exit code between NULs, as for bin/spark-class.
launch() {
  local command=() part before=""
  while IFS= read -r -d '' part; do
    # The class path has to begin as that of the archive; Spark puts its conf folder before its jars.
    case "$archive$before$part" in "$archive-cp$SPARK_CONF_DIR"*) [ -z "$archive" ] || part="$SPARK_HOME/jars/*:$part" ;; esac
    before="$part"
    command+=("$part")
  done < <("$java" -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$spark_jars/*" org.apache.spark.launcher.Main \
    org.apache.spark.deploy.SparkSubmit "$@" && printf '%d\0' 0 || printf '%d\0' 1)
  local last=$((${#command[@]} - 1))
  [ "$last" -ge 1 ] && [ "${command[$last]}" = 0 ] || fail "Spark's launcher refused its options; see above" 1
  # Part 0 is what the launcher had to say, and a newline follows.
  [ -z "${command[0]}" ] || echo "${command[0]}" >&2
  command=("${command[@]:1:$((last - 1))}")
  command[0]="${command[0]#$'\n'}"
  # In the background, so that a signal to this script reaches the driver before the clean-up.
  "${command[@]}" <&0 &
  local driver=$!
  trap 'kill -TERM $driver 2>/dev/null' INT TERM HUP
  local code=0
  wait "$driver" || code=$?
  while kill -0 "$driver" 2>/dev/null; do
    wait "$driver" || code=$?
  done
  return "$code"
}

# The work directory of this run, and the logs of its executors after a failure; those of the last few are kept.
parent="$target"
work=""
kept_logs=5
clean_up() {
  # Executors may still be closing their files.
  rm -rf "$work" 2>/dev/null || { sleep 1 && rm -rf "$work"; } || true
}
keep_logs() {
  local logs="$work.logs" old
  find "$work/spark/work" -name '*.jar' -delete
  mv "$work/spark/work" "$logs"
  echo "kindling: the executors' logs are in $logs" >&2
  while IFS= read -r old; do
    [ ! -O "$old" ] || rm -rf "$old"
  done < <(ls -dt "$parent"/run.*.logs | tail -n "+$((kept_logs + 1))")
}
make_work() {
  [ -w "$parent" ] || parent="${TMPDIR:-/tmp}"
  work="$(mktemp -d "$parent/run.XXXXXX")"
  trap clean_up EXIT
  mkdir -p "$work/spark/work" "$work/local"
  ln -s "$spark_jars" "$work/spark/jars"
  # A Spark home of our own: the embedded workers write to its work folder.
  if [ -n "${SPARK_HOME:-}" ]; then
    export SPARK_CONF_DIR="${SPARK_CONF_DIR:-$SPARK_HOME/conf}"
  else
    export SPARK_CONF_DIR="${SPARK_CONF_DIR:-$here/conf}"
  fi
  if [ "$embedded" = true ]; then
    export SPARK_HOME="$work/spark" SPARK_LOCAL_DIRS="$work/local" SPARK_LOCAL_IP=127.0.0.1
    spark_options+=(--conf spark.kindling.embedded=true)
  else
    export SPARK_HOME="${SPARK_HOME:-$work/spark}"
    # Where the driver runs in the cluster; executors get theirs from the driver.
    spark_options=(--conf spark.yarn.appMasterEnv.LC_ALL=C.UTF-8 --conf spark.kubernetes.driverEnv.LC_ALL=C.UTF-8 "${spark_options[@]}")
  fi
  export SPARK_SCALA_VERSION=2.13
  # These drivers only coordinate, on the executors' cores, which optimising compilation would take for seconds.
  case "$embedded ${kindling_options[0]:-}" in
    "true train" | "true evaluate" | "true compare" | "true prepare" | "true doctor")
      SPARK_SUBMIT_OPTS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC ${SPARK_SUBMIT_OPTS:-}"
      ;;
  esac
  [ -z "$submitted" ] || SPARK_SUBMIT_OPTS="-Dkindling.submitted=${submitted/,/.} ${SPARK_SUBMIT_OPTS:-}"
  # The driver's console is quiet, whatever the configuration of Spark and the executors is.
  export SPARK_SUBMIT_OPTS="-Dkindling.console.level=error ${SPARK_SUBMIT_OPTS:-}"
  [ ! -f "$here/conf/log4j2.properties" ] \
    || SPARK_SUBMIT_OPTS="-Dlog4j2.configurationFile=\"$here/conf/log4j2.properties\" $SPARK_SUBMIT_OPTS"
}

main() {
  split "$@"
  use_utf8
  find_java
  build
  if [ "$help" = true ]; then
    [ ${#kindling_options[@]} -gt 0 ] || kindling_options=(--help)
    exec "$java" -cp "$jar" dev.kindling.job.Kindling "${kindling_options[@]}"
  fi
  require_user_name
  find_spark
  make_work
  find_archive
  local code=0
  launch "${spark_options[@]}" --class dev.kindling.job.Kindling "$jar" "${kindling_options[@]}" || code=$?
  if [ "$code" -eq 1 ] && [ -n "$(find "$work/spark/work" -name stderr -size +0 -print -quit)" ]; then
    keep_logs
  fi
  [ "$code" -ne 0 ] || make_archive
  exit "$code"
}

main "$@"
