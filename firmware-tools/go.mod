module stockade/firmware-tools

go 1.26.0

require (
	github.com/creack/pty v1.1.24
	golang.org/x/mod v0.42.0
	golang.org/x/sys v0.49.0
	stockade/internal v0.0.0
	stockade/protocol v0.0.0
)

replace stockade/protocol => ../protocol

replace stockade/internal => ../internal
