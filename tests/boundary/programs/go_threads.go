// Goroutines on many threads, processes, signals; every number is compared with what the kernel says raw.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const smallestOutside = 3000

func check(ok bool, format string, args ...any) {
	if !ok {
		fmt.Printf(format+"\n", args...)
		os.Exit(1)
	}
}

func raw(nr uintptr) int {
	n, _, _ := syscall.RawSyscall(nr, 0, 0, 0)
	return int(n)
}

func init() {
	runtime.LockOSThread() // main() stays on the thread that the process began with
}

func ownIDs() {
	pid := os.Getpid()
	check(pid == raw(syscall.SYS_GETPID) && pid == raw(syscall.SYS_GETTID) && pid == syscall.Gettid(),
		"pid %d, raw %d, tid of the first thread %d", pid, raw(syscall.SYS_GETPID), syscall.Gettid())
	check(pid < smallestOutside && os.Getppid() < pid, "pid %d, parent %d", pid, os.Getppid())
}

// 1,000 goroutines, of which 100 at a time have a thread each.
func threads() {
	const all, atOnce = 1000, 100
	var wg, met sync.WaitGroup
	var mutex sync.Mutex
	seen := map[int]bool{}
	gate := make(chan struct{})
	met.Add(atOnce)
	for i := 0; i < all; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			if i < atOnce {
				runtime.LockOSThread() // and let it end with us
				mutex.Lock()
				seen[syscall.Gettid()] = true
				mutex.Unlock()
				met.Done()
				<-gate
			}
			check(os.Getpid() == raw(syscall.SYS_GETPID), "a goroutine's pid")
			check(raw(syscall.SYS_GETTID) < smallestOutside, "a tid of the host: %d", raw(syscall.SYS_GETTID))
		}(i)
	}
	met.Wait()
	check(len(seen) == atOnce, "%d threads have %d tids", atOnce, len(seen))
	tasks, err := os.ReadDir("/proc/self/task")
	check(err == nil && len(tasks) > atOnce, "%d in /proc/self/task: %v", len(tasks), err)
	for tid := range seen {
		_, err := os.Stat("/proc/self/task/" + strconv.Itoa(tid))
		check(err == nil, "thread %d: %v", tid, err)
	}
	close(gate)
	wg.Wait()
}

// Loops without a call are interrupted by SIGURG from another thread (runtime.preemptM), or the collector would wait for ever.
func preemption() {
	var stop, loops int64
	for i := 0; i < 4; i++ {
		go func() {
			n := int64(0)
			for atomic.LoadInt64(&stop) == 0 {
				for k := 0; k < 1<<20; k++ {
					n += int64(k)
				}
			}
			atomic.AddInt64(&loops, n)
		}()
	}
	for i := 0; i < 20; i++ {
		runtime.GC()
	}
	atomic.StoreInt64(&stop, 1)
}

func processes() {
	var wg sync.WaitGroup
	for i := 0; i < 40; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var out strings.Builder
			c := exec.Command("sh", "-c", "echo $$ $PPID; exit 3")
			c.Stdout = &out
			err := c.Run()
			check(err != nil && c.ProcessState.ExitCode() == 3, "exit status %v", err)
			want := fmt.Sprintf("%d %d\n", c.ProcessState.Pid(), os.Getpid())
			check(out.String() == want, "the child says %q, we %q", out.String(), want)
		}()
	}
	wg.Wait()
	c := exec.Command("sleep", "1000")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	check(c.Start() == nil, "sleep does not start")
	pgid, err := syscall.Getpgid(c.Process.Pid)
	check(err == nil && pgid == c.Process.Pid, "group %d, %v", pgid, err)
	check(syscall.Kill(-pgid, syscall.SIGTERM) == nil, "the group cannot be killed")
	c.Wait()
	check(c.ProcessState.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM, "ended by %v", c.ProcessState)
}

func signals() {
	ch := make(chan os.Signal, 100)
	signal.Notify(ch, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCHLD)
	expect := func(want os.Signal) {
		select {
		case got := <-ch:
			check(got == want, "signal %v instead of %v", got, want)
		case <-time.After(20 * time.Second):
			check(false, "%v did not come", want)
		}
	}
	for i := 0; i < 50; i++ {
		check(syscall.Kill(os.Getpid(), syscall.SIGUSR1) == nil, "kill")
		expect(syscall.SIGUSR1)
		_, _, no := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGUSR2))
		check(no == 0, "tgkill: %v", no)
		expect(syscall.SIGUSR2)
	}
	check(exec.Command("true").Run() == nil, "true")
	expect(syscall.SIGCHLD)
	signal.Reset()
	signal.Ignore(syscall.SIGUSR1)
	check(syscall.Kill(os.Getpid(), syscall.SIGUSR1) == nil, "kill")
}

func nobodyOutside() {
	for _, arg := range os.Args[1:] {
		pid, _ := strconv.Atoi(arg)
		check(syscall.Kill(pid, 0) == syscall.ESRCH, "%d is there", pid)
		_, err := syscall.Getpgid(pid)
		check(err == syscall.ESRCH, "%d has a group", pid)
	}
}

func main() {
	runtime.GOMAXPROCS(4)
	ownIDs()
	threads()
	preemption()
	processes()
	signals()
	nobodyOutside()
	ownIDs()
}
