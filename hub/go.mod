module stockade/hub

go 1.26.0

require (
	github.com/eclipse/paho.mqtt.golang v1.5.1
	github.com/gofiber/fiber/v2 v2.52.15
	github.com/nats-io/jwt/v2 v2.8.3
	github.com/nats-io/nats-server/v2 v2.15.2
	github.com/nats-io/nats.go v1.55.0
	github.com/nats-io/nkeys v0.4.17
	github.com/pelletier/go-toml/v2 v2.4.3
	github.com/valyala/fasthttp v1.78.0
	golang.org/x/mod v0.42.0
	golang.org/x/sync v0.24.0
	stockade/internal v0.0.0
	stockade/protocol v0.0.0
)

replace stockade/protocol => ../protocol

replace stockade/internal => ../internal
