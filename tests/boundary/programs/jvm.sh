# A JVM starts, runs a process and ends: jshell's and jcmd's machinery is threads, signals and /proc/self.
set -eu
command -v java >/dev/null || exit 77
java -Xint -XX:+UseSerialGC -Xshare:auto -version >"$BD_DIR/said" 2>&1 || { cat "$BD_DIR/said"; exit 1; }
cat >"$BD_DIR/Pid.java" <<'J'
public class Pid {
	public static void main(String[] a) throws Exception {
		long me = ProcessHandle.current().pid();
		Process p = new ProcessBuilder("sh", "-c", "echo $PPID").start();
		long said = Long.parseLong(new String(p.getInputStream().readAllBytes()).trim());
		if (p.waitFor() != 0 || me >= 3000 || p.pid() <= me || said >= 3000)
			System.exit(1);
		if (ProcessHandle.allProcesses().anyMatch(h -> h.pid() >= 3000))
			System.exit(2);
	}
}
J
java --list-modules | grep -q '^jdk.compiler' || exit 0
java -XX:+UseSerialGC "$BD_DIR/Pid.java"
