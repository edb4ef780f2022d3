# bash completion for webhookfs, and for webhookfs-run where it is installed.
# The options are asked of the program itself, so they are those of the version that is there.

# _webhookfs_options COMMAND: a line for each option of -o, "NAME=GRAMMAR" or, FUSE's own, "NAME".
_webhookfs_options() {
	"$1" -h 2>/dev/null | sed -nE \
		-e "s/^Options of -o, besides FUSE's own \((.*), \.\.\.\):$/\1/; t words" \
		-e 's/^  ([a-z_]+=.*)$/\1/p; d' \
		-e ':words' -e 's/, /\n/g; p'
}

# _webhookfs_values GRAMMAR: the words of "full | normal"; nothing where anything may stand.
_webhookfs_values() {
	[[ $1 =~ [A-Z\[] ]] || printf '%s\n' "${1// | /$'\n'}"
}

# _webhookfs_list COMMAND: the word is a list of -o options, of which the last is being written.
_webhookfs_list() {
	local before='' last=$cur line name
	if [[ $cur == *,* ]]; then
		before=${cur%,*},
		last=${cur##*,}
	fi
	COMPREPLY=()
	while IFS= read -r line; do
		name=${line%%=*}
		if [[ $line != *=* ]]; then
			[[ $name != "$last"* ]] || COMPREPLY+=("$before$name")
		elif [[ $last != *=* ]]; then
			[[ $name != "$last"* ]] || COMPREPLY+=("$before$name=")
		elif [[ $name == "${last%%=*}" ]]; then
			case ${line#*=} in
			DIR | FILE | PATH)
				_webhookfs_paths "${line#*=}" "$before$name=" "${last#*=}"
				;;
			*)
				while IFS= read -r line; do
					[[ $line != "${last#*=}"* ]] || COMPREPLY+=("$before$name=$line")
				done < <(_webhookfs_values "${line#*=}")
				;;
			esac
			break
		fi
	done < <(_webhookfs_options "$1")
	# bash takes = for the beginning of a new word, and wants only what is behind it.
	if [[ $COMP_WORDBREAKS == *=* && $cur == *=* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*=}"}"}")
	fi
	[[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

# _webhookfs_paths WHAT PREFIX PATH
_webhookfs_paths() {
	local path how=-f
	[[ $1 != DIR ]] || how=-d
	compopt -o filenames -o nospace 2>/dev/null
	while IFS= read -r path; do
		COMPREPLY+=("$2$path")
	done < <(compgen "$how" -- "$3")
}

# The word under the cursor and the one before, where = and : do not part words.
_webhookfs_words() {
	local line=${COMP_LINE:0:COMP_POINT} words
	read -r -a words <<<"$line"
	[[ $line == *[[:blank:]] ]] && words+=('')
	cur=${words[${#words[@]} - 1]} prev=
	[[ ${#words[@]} -lt 2 ]] || prev=${words[${#words[@]} - 2]}
}

_webhookfs() {
	local cur prev path
	COMPREPLY=()
	_webhookfs_words
	if [[ $prev == -o ]]; then
		_webhookfs_list "$1"
	elif [[ $cur == -* ]]; then
		while IFS= read -r path; do
			[[ $path != "$cur"* ]] || COMPREPLY+=("$path")
		done < <(echo -o; "$1" -h 2>/dev/null | sed -nE 's/^  (--?[A-Za-z]+) .*/\1/p')
	else
		_webhookfs_paths DIR '' "$cur"
	fi
}

# The mount that webhookfs-run reports to, else all of this host, a line each.
_webhookfs_mounts() {
	local type point
	if [[ -n ${WEBHOOKFS-} ]]; then
		printf '%s\n' "$WEBHOOKFS"
		return
	fi
	while read -r _ point type _; do
		[[ $type != fuse.webhookfs ]] || printf '%b\n' "$point"
	done </proc/self/mounts 2>/dev/null
}

# The objects that their hooks are about: what a wrapped command is likely to be.
_webhookfs_objects() {
	local point file line
	while IFS= read -r point; do
		for file in "$point"/hooks/*/object; do
			[[ -r $file ]] && while IFS= read -r line; do
				[[ -z $line || $line == *[*?[]* ]] || echo "$line"
			done <"$file"
		done
	done < <(_webhookfs_mounts)
}

_webhookfs_run() {
	local cur prev i line
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			else
				# shellcheck disable=SC2207 # names of commands have no blanks
				COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}"))
			fi
			return
		fi
	done
	_webhookfs_words
	while IFS= read -r line; do
		[[ $line != "$cur"* ]] || COMPREPLY+=("$line")
	done < <(_webhookfs_objects | sort -u; echo --)
}

complete -F _webhookfs webhookfs
complete -F _webhookfs_run webhookfs-run
