package mqtt

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// LogLibrary sends what the MQTT library has to say to logger at debug level. The library
// has one log for the whole program: main calls this once, before the first connection.
func LogLibrary(logger *slog.Logger) {
	l := libraryLog{logger}
	paho.CRITICAL, paho.ERROR, paho.WARN = l, l, l
}

type libraryLog struct{ *slog.Logger }

func (l libraryLog) Println(v ...any) { l.say(fmt.Sprintln(v...)) }

func (l libraryLog) Printf(format string, v ...any) { l.say(fmt.Sprintf(format, v...)) }

func (l libraryLog) say(s string) {
	l.LogAttrs(context.Background(), slog.LevelDebug, "mqtt library", slog.String("text", strings.TrimSpace(s)))
}
