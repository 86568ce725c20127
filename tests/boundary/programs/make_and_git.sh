# make -j with its job server, and git with its children.
set -eu
command -v make >/dev/null && command -v git >/dev/null || exit 77
cd "$BD_DIR"
mkdir build repo
{
	printf 'all:'; printf ' t%d' {1..40}; echo
	printf 't%%:\n\t@sh -c '\''echo $$$$ >$@; [ $$PPID -lt 3000 ]'\''\n'
} >build/Makefile
make -s -j4 -C build
[ "$(cat build/t* | sort -nu | wc -l)" = 40 ]
[ "$(cat build/t* | sort -n | tail -1)" -lt 3000 ]
cd repo
export HOME=$BD_DIR GIT_CONFIG_NOSYSTEM=1
git init -q .
for i in {1..20}; do echo $i >f$i; done
git add .
git -c user.name=a -c user.email=a@example.org commit -qm one
git gc -q --prune=now
git clone -q . ../copy
[ -z "$(git -C ../copy status --porcelain)" ]
