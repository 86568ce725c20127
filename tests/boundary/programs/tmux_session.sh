# A tmux server with a window: numbers it tells are the container's.
set -eu
command -v tmux >/dev/null || exit 77
export TMUX_TMPDIR=$BD_DIR TERM=screen LC_ALL=C.UTF-8 SHELL=/bin/sh
t() { tmux -S "$BD_DIR/tmux" -f /dev/null "$@"; }
t new-session -d -x 80 -y 24 "exec sh -c 'echo \$\$ >$BD_DIR/window; exec sleep 1003'"
until [ -s "$BD_DIR/window" ]; do t list-sessions >/dev/null; sleep 0.02; done
[ "$(t display-message -p '#{pane_pid}')" = "$(cat "$BD_DIR/window")" ]
[ "$(t display-message -p '#{pid}')" -lt 3000 ]
[ -e "$(t display-message -p '#{pane_tty}')" ]
t kill-server
