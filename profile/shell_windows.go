package profile

import (
	"context"
	"os/exec"
	"syscall"
)

// shell hands the command to cmd.exe as it stands: it does not read quotes as
// os/exec writes them. With /S it takes away the outer pair, and no other.
func shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd.exe")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd.exe /S /C "` + command + `"`}
	return cmd
}
