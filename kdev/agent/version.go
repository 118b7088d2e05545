package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strconv"
)

// protocolVersion is raised when a frame's meaning changes; see PROTOCOL.md.
const protocolVersion = 1

// version prints the protocol's number and the SHA-256 of this very program, by which kdev knows that the file it finds
// in a container is whole and its own.
func version(args []string) int {
	sum, err := ownDigest()
	if err != nil {
		complain("kdev-agent: cannot read myself: " + err.Error() + "\n")
		return exitFailed
	}
	_, err = os.Stdout.WriteString("kdev-agent " + strconv.Itoa(protocolVersion) + " " + sum + "\n")
	if err != nil {
		return exitFailed
	}
	return exitOK
}

func ownDigest() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	state := sha256.New()
	if _, err := io.Copy(state, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(state.Sum(nil)), nil
}
