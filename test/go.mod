module stockade/test

go 1.26.0

require (
	github.com/creack/pty v1.1.24
	github.com/eclipse/paho.mqtt.golang v1.5.1
	golang.org/x/sync v0.24.0
	golang.org/x/sys v0.49.0
	stockade/edge v0.0.0
	stockade/firmware-tools v0.0.0
	stockade/hub v0.0.0
	stockade/internal v0.0.0
	stockade/protocol v0.0.0
)

replace stockade/protocol => ../protocol

replace stockade/internal => ../internal

replace stockade/edge => ../edge

replace stockade/hub => ../hub

replace stockade/firmware-tools => ../firmware-tools
