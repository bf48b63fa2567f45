/**
 * What the other host runs for a store on SSH: POSIX sh with GNU coreutils and findutils. Each script is given the root as
 * its first argument, changes into it and prints little. Bytes come and go by standard input and output.
 */

/** Exit codes of the scripts; ssh itself ends with 255. */
export const FAR = { noRoot: 40, notThere: 44, unlike: 45, conflict: 46 } as const

const UPLOADS = '.uploads'
const BEGIN = `set -eu; umask 027; cd -- "$1" || exit ${FAR.noRoot}`

/** Digested where it arrived: a connection that broke looks like the end of the bytes. */
const ARRIVED = (file: string, digest: string) => `cat > ${file}
echo ${digest}"  "${file} | sha256sum -c --status - || exit ${FAR.unlike}`

/**
 * Gives "$file" the name "$key": the link fails where the name is taken. A delete beside us may take the empty folder
 * away between making and using it. A name survives a crash once the folders above it are synced.
 */
const PLACE = `sync -- "$file"
set --; dir=./$key
while dir=\${dir%/*}; [ "$dir" != . ]; do set -- "$@" "$dir"; done
for try in 1 2 3; do
  if mkdir -p -- "\${1:-.}" && if [ "$mode" = keep ]; then ln -T -- "$file" "./$key"; else mv -fT -- "$file" "./$key"; fi; then
    sync -- . "$@"
    placed=created
    break
  fi
  if [ -e "./$key" ]; then placed=exists; break; fi
done
[ -n "\${placed:-}" ]`

/** root key sha256 keep|replace unique → created|exists */
export const PUT = `${BEGIN}
key=$2; mode=$4; file=${UPLOADS}/put-$5
mkdir -p ${UPLOADS}
trap 'rm -f -- "$file"' EXIT
trap 'exit 1' HUP INT TERM
${ARRIVED('"$file"', '"$3"')}
${PLACE}
echo "$placed"`

/** root key → size and time */
export const HEAD = `${BEGIN}
[ -f "./$2" ] || exit ${FAR.notThere}
stat -c '%s %.Y' -- "./$2"`

/** root key first-byte → one byte, then the bytes: what is not there is told before any of them. */
export const GET = `${BEGIN}
[ -f "./$2" ] || exit ${FAR.notThere}
printf +
tail -c "+$3" -- "./$2"`

/** root folder → path, size and time of each file below it */
export const LIST = `${BEGIN}
[ -d "./$2" ] || exit 0
find "./$2" -ignore_readdir_race -path ./${UPLOADS} -prune -o -type f -printf '%p\\t%s\\t%T@\\n'`

/** root key → deleted|absent */
export const DELETE = `${BEGIN}
[ -f "./$2" ] || { echo absent; exit 0; }
rm -f -- "./$2"
case $2 in */*) rmdir -p --ignore-fail-on-non-empty -- "\${2%/*}" || : ;; esac
echo deleted`

/** root id key */
export const START = `${BEGIN}
mkdir -p -- "${UPLOADS}/$2"
printf %s "$3" > "${UPLOADS}/$2/key.new"
mv -f -- "${UPLOADS}/$2/key.new" "${UPLOADS}/$2/key"`

/** root id number sha256 unique */
export const PART = `${BEGIN}
cd -- "${UPLOADS}/$2" || exit ${FAR.notThere}
${ARRIVED('"part-$3.$5"', '"$4"')}
mv -f -- "part-$3.$5" "part-$3"`

/**
 * root id key size crc32 number… → size and time. gzip ends with the CRC32 of what it read, which is what the disk gives
 * back. The parts stay until the whole has its name, so that it can be tried again.
 */
export const COMPLETE = `${BEGIN}
up=${UPLOADS}/$2; key=$3; size=$4; crc=$5; mode=keep; file=$up/whole
[ -f "$up/key" ] || exit ${FAR.notThere}
shift 5
: > "$file"
for number in "$@"; do cat -- "$up/part-$number" >> "$file"; done
found=$(stat -c %s -- "$file")
sum=$(gzip -1 -c -- "$file" | tail -c 8 | head -c 4 | od -An -tx1 | tr -d ' \\n')
[ "$found $sum" = "$size $crc" ] || { echo "$found $sum"; exit ${FAR.unlike}; }
${PLACE}
[ "$placed" = created ] || exit ${FAR.conflict}
rm -rf -- "$up"
stat -c '%s %.Y' -- "./$key"`

/** root → id and key of each upload. What writes left that a crash cut short goes: no reader has ever seen it. */
export const PENDING = `${BEGIN}
[ -d ${UPLOADS} ] || exit 0
find ${UPLOADS} -ignore_readdir_race -maxdepth 1 -name 'put-*' -mmin +1440 -delete
for up in ${UPLOADS}/*-*; do
  [ -d "$up" ] || continue
  printf '%s\\t%s\\n' "\${up##*/}" "$(cat -- "$up/key" 2>/dev/null || :)"
done`

/** root id */
export const ABORT = `${BEGIN}
rm -rf -- "${UPLOADS}/$2"`
