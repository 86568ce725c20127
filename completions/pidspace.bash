# bash completion for pidspace. Commands and options come from the program's own --help, so that they
# are always its own; names of containers from its list.

_pidspace_options() {
	# $1: the program; the rest: command or nothing. One long option a line.
	"$1" ${2:+"$2"} --help 2>/dev/null | grep -oE '(^|[ ,])--[a-z][a-z-]*' | tr -d ' ,'
	echo --help
}

_pidspace_files() {
	local IFS=$'\n'
	compopt -o filenames 2>/dev/null
	COMPREPLY=($(compgen "${2:--f}" -- "$1"))
}

_pidspace_words() {
	COMPREPLY=($(compgen -W "$2" -- "$1"))
}

# What the value of an option can be. Fails when the option takes none, or anything.
_pidspace_value() {
	local program=$1 command=$2 option=$3 word=$4
	case $command:$option in
	*:--root | run:--rootfs | run:--cwd | exec:--cwd) _pidspace_files "$word" -d ;;
	*:--image | *:--pid-file) _pidspace_files "$word" ;;
	*:--show-container) _pidspace_words "$word" "$("$program" "${roots[@]}" list -q 2>/dev/null)" ;;
	*:--compress) _pidspace_words "$word" "none lz4 zstd" ;; # and lz4:LEVEL, zstd:LEVEL
	restore:--files) _pidspace_words "$word" "strict truncate ignore" ;;
	*:--pids) _pidspace_words "$word" "space virtual" ;;
	*:-f | *:--format)
		case $command in
		delete | log) return 1 ;; # -f takes no value there
		esac
		_pidspace_words "$word" "text json" ;;
	kill:-s | kill:--signal) COMPREPLY=($(compgen -A signal -- "$word") $(compgen -A signal -- "SIG$word")) ;;
	ps:-o | ps:--columns)
		# A list: complete behind the last comma.
		local before=
		[[ $word == *,* ]] && before=${word%,*},
		COMPREPLY=($(compgen -P "$before" -W "container pid tid host ppid pgid sid state cpu rss
			start threads uid comm command" -- "${word##*,}"))
		compopt -o nospace 2>/dev/null ;;
	run:--pid-max | run:--hostname | *:--env | restore:--name | *:--external | pid:--host) COMPREPLY=() ;;
	*) return 1 ;;
	esac
	return 0 # whatever compgen found
}

_pidspace() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local program=${COMP_WORDS[0]} command= i n=0 roots=()
	COMPREPLY=()
	# --opt=value comes as three words, for = breaks words.
	if [[ $word == = ]]; then
		word=
	elif [[ $previous == = ]]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi

	# Find the command, and how many of its operands stand before the cursor.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--root)
			[[ $command ]] && continue
			[[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
			((++i < COMP_CWORD)) && roots=(--root "${COMP_WORDS[i]}") ;;
		--)
			# What follows is another program's.
			((COMP_CWORD > i)) && [[ $command == run || $command == exec ]] && {
				_pidspace_program "$((i + 1))"
				return
			} ;;
		-* | =) ;;
		*) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; else ((n++)); fi ;;
		esac
	done

	_pidspace_value "$program" "$command" "$previous" "$word" && return
	if [[ -z $command ]]; then
		if [[ $word == -* ]]; then
			_pidspace_words "$word" "--root --help --version"
		else
			_pidspace_words "$word" "help $(_pidspace_commands "$program")"
		fi
	elif [[ $word == -* ]]; then
		_pidspace_words "$word" "$(_pidspace_options "$program" "$command")"
	else
		_pidspace_operand "$program" "$command" "$word"
	fi
}

_pidspace_commands() {
	"$1" --help 2>/dev/null | sed -nE 's/^  ([a-z]+) +[A-Z].*/\1/p'
}

_pidspace_operand() {
	case $2 in
	help) _pidspace_words "$3" "$(_pidspace_commands "$1")" ;;
	inspect | verify) _pidspace_files "$3" ;;
	run | restore | list) ;;
	*) _pidspace_words "$3" "$("$1" "${roots[@]}" list -q 2>/dev/null)" ;;
	esac
}

# Behind --: a command, then whatever it takes.
_pidspace_program() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif ((COMP_CWORD == $1)); then
		COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}"))
	else
		_pidspace_files "${COMP_WORDS[COMP_CWORD]}"
	fi
}

complete -F _pidspace pidspace
