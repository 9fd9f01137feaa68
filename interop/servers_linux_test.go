package interop

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the system kill a process when this one ends, even where it
// is killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
