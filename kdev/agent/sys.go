package main

import (
	"strconv"
	"syscall"
	"unsafe"
)

// What the syscall package does not offer: calls relative to an open folder that never follow a link at their end.

const (
	openPath        = 0x200000 // O_PATH
	noFollow        = 0x100    // AT_SYMLINK_NOFOLLOW
	removeDir       = 0x200    // AT_REMOVEDIR
	renameNoReplace = 1
	atNow           = 1<<30 - 1 // UTIME_NOW
)

// again repeats a call that a signal has interrupted, which happens on network file systems.
func again(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}

func errnoOf(number syscall.Errno) error {
	if number == 0 {
		return nil
	}
	return number
}

func openAt(folder int, name string, flags int, mode uint32) (fd int, err error) {
	err = again(func() error {
		fd, err = syscall.Openat(folder, name, flags|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, mode)
		return err
	})
	return fd, err
}

func statAt(folder int, name string) (info syscall.Stat_t, err error) {
	text, err := syscall.BytePtrFromString(name)
	if err != nil {
		return info, err
	}
	err = again(func() error {
		_, _, number := syscall.Syscall6(sysFstatat, uintptr(folder), uintptr(unsafe.Pointer(text)),
			uintptr(unsafe.Pointer(&info)), noFollow, 0, 0)
		return errnoOf(number)
	})
	return info, err
}

func readLinkAt(folder int, name string) (string, error) {
	text, err := syscall.BytePtrFromString(name)
	if err != nil {
		return "", err
	}
	var target [maxPath + 1]byte
	length, _, number := syscall.Syscall6(syscall.SYS_READLINKAT, uintptr(folder), uintptr(unsafe.Pointer(text)),
		uintptr(unsafe.Pointer(&target[0])), uintptr(len(target)), 0, 0)
	if number != 0 {
		return "", number
	}
	return string(target[:length]), nil
}

func linkAt(target string, folder int, name string) error {
	from, err := syscall.BytePtrFromString(target)
	if err != nil {
		return err
	}
	to, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, number := syscall.Syscall(syscall.SYS_SYMLINKAT, uintptr(unsafe.Pointer(from)), uintptr(folder),
		uintptr(unsafe.Pointer(to)))
	return errnoOf(number)
}

func unlinkAt(folder int, name string, flags int) error {
	text, err := syscall.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, number := syscall.Syscall(syscall.SYS_UNLINKAT, uintptr(folder), uintptr(unsafe.Pointer(text)), uintptr(flags))
	return errnoOf(number)
}

// renameAt moves within one folder. With fresh set, a name that is taken is EEXIST, decided by the kernel where the file
// system can.
func renameAt(folder int, from, to string, fresh bool) error {
	if !fresh {
		return syscall.Renameat(folder, from, folder, to)
	}
	one, err := syscall.BytePtrFromString(from)
	if err != nil {
		return err
	}
	other, err := syscall.BytePtrFromString(to)
	if err != nil {
		return err
	}
	_, _, number := syscall.Syscall6(sysRenameat2, uintptr(folder), uintptr(unsafe.Pointer(one)), uintptr(folder),
		uintptr(unsafe.Pointer(other)), renameNoReplace, 0)
	if number == syscall.EINVAL || number == syscall.ENOSYS || number == syscall.EPERM {
		return syscall.Renameat(folder, from, folder, to)
	}
	return errnoOf(number)
}

// setTimes sets an open file's mtime in nanoseconds; its atime becomes the present.
func setTimes(fd int, mtime int64) error {
	seconds := mtime / 1e9
	rest := mtime % 1e9
	if rest < 0 {
		seconds, rest = seconds-1, rest+1e9
	}
	times := [2]syscall.Timespec{{Nsec: atNow}, {Sec: seconds, Nsec: rest}}
	_, _, number := syscall.Syscall6(syscall.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times[0])), 0, 0, 0)
	return errnoOf(number)
}

// procPath is a name for an open file, for the calls that only take names.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
