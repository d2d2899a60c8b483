# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion for liuhen. The words come from `liuhen complete-words`, so they never differ from the program.
_liuhen() {
    local word words=()
    local cur=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    # the words as they stand before the cursor; --name=value is given to liuhen as two words
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        [ "$word" = = ] || words+=("$word")
    done
    [ "$cur" = = ] && { cur=; words+=(""); }
    local IFS=$'\n'
    for word in $("${COMP_WORDS[0]}" complete-words "${words[@]}" 2>/dev/null); do
        if [ "$word" = @file ]; then
            compopt -o filenames 2>/dev/null
            COMPREPLY+=($(compgen -f -- "$cur"))
        else
            COMPREPLY+=("$(printf '%q' "$word")")
        fi
    done
}
complete -F _liuhen liuhen
