module kdev.dev/agent

go 1.24
