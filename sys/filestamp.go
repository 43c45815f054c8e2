package sys

import (
	"os"
	"syscall"
	"time"
)

// FileStamp is by what one sees, without reading it, that a file is another one, or has other content or permissions, than before: equal
// stamps are of a file that nobody has touched.
type FileStamp struct {
	Device, Inode uint64
	Size          int64
	Modified      time.Time
	// Changed is when anything of it changed, be it the owner or the mode. Nobody can set it back, as cp -p does with Modified.
	Changed time.Time
}

// StampFile looks at a file, or at what a link leads to.
func StampFile(path string) (FileStamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return FileStamp{}, err
	}
	st := info.Sys().(*syscall.Stat_t) // always, on Linux
	return FileStamp{Device: uint64(st.Dev), Inode: st.Ino, Size: st.Size, Modified: info.ModTime(), Changed: time.Unix(st.Ctim.Unix())}, nil
}
