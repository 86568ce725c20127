# A Go program: static, its own runtime with raw system calls, its own signal stacks, threads that signal each other. So is
# the compiler, which runs inside as well.
set -eu
command -v go >/dev/null || exit 77
export HOME=$BD_DIR GOCACHE=$BD_DIR/go-cache GOPATH=$BD_DIR/go GOTMPDIR=$BD_DIR GOFLAGS=-mod=mod GO111MODULE=auto CGO_ENABLED=0
cp "$(dirname "$0")/go_threads.go" "$BD_DIR/threads.go"
go build -o "$BD_DIR/threads" "$BD_DIR/threads.go"
exec "$BD_DIR/threads" $BD_OUTSIDE
