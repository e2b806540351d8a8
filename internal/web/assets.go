package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"
)

// Style sheets and scripts of the shell: src is ours, dist is filled from npm packages by
// assets/build.mjs before the program is built.
//
//go:embed assets/src all:assets/dist
var shellAssets embed.FS

// needed are the files that build.mjs must have made.
var needed = []string{"htmx.min.js", "tabler.css", "licences.txt"}

type asset struct {
	mime         string
	plain        []byte
	gzip         func() []byte // made when it is first asked for; nil when it is not worth it
	hashed, name string
}

// assets holds every file under its hashed name, so that browsers may keep it for ever.
type assets struct {
	byName, byHash map[string]*asset
}

func loadAssets(site fs.FS) (*assets, error) {
	a := &assets{byName: map[string]*asset{}, byHash: map[string]*asset{}}
	folders := []fs.FS{}
	for _, dir := range []string{"assets/src", "assets/dist"} {
		sub, err := fs.Sub(shellAssets, dir)
		if err != nil {
			return nil, fmt.Errorf("assets: %w", err)
		}
		folders = append(folders, sub)
	}
	if site != nil {
		folders = append(folders, site)
	}
	for _, f := range folders {
		if err := a.add(f); err != nil {
			return nil, err
		}
	}
	for _, n := range needed {
		if a.byName[n] == nil {
			return nil, fmt.Errorf("asset %s is missing: run \"make assets\" and build again", n)
		}
	}
	return a, nil
}

func (a *assets) add(folder fs.FS) error {
	return fs.WalkDir(folder, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") || strings.HasSuffix(d.Name(), ".html") {
			return err
		}
		b, err := fs.ReadFile(folder, p)
		if err != nil {
			return err
		}
		if a.byName[d.Name()] != nil {
			return fmt.Errorf("asset %s is there twice", d.Name())
		}
		f := newAsset(d.Name(), b)
		a.byName[f.name], a.byHash[f.hashed] = f, f
		return nil
	})
}

func newAsset(name string, b []byte) *asset {
	sum := sha256.Sum256(b)
	ext := path.Ext(name)
	f := &asset{name: name, plain: b, mime: mime.TypeByExtension(ext), hashed: strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext}
	switch ext { // not left to the machine's mime tables
	case ".js":
		f.mime = "text/javascript; charset=utf-8"
	case ".css":
		f.mime = "text/css; charset=utf-8"
	case ".svg":
		f.mime = "image/svg+xml"
	case ".txt":
		f.mime = "text/plain; charset=utf-8"
	case ".wasm":
		f.mime = "application/wasm"
	case ".bcmap", ".pfb":
		f.mime = "application/octet-stream"
	}
	f.gzip = sync.OnceValue(func() []byte {
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is valid
		_, err := w.Write(b)
		if err = errors.Join(err, w.Close()); err != nil || packed.Len() >= len(b)*9/10 {
			return nil
		}
		return slices.Clip(packed.Bytes())
	})
	return f
}

// path returns the address of an asset.
func (a *assets) path(name string) (string, error) {
	f := a.byName[name]
	if f == nil {
		return "", fmt.Errorf("asset %s does not exist", name)
	}
	return "/assets/" + f.hashed, nil
}

func (s *Server) getAsset(v *Visit) error {
	f := s.assets.byHash[v.Params("name")]
	if f == nil {
		return NotFound()
	}
	v.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	v.Set(fiber.HeaderContentType, f.mime)
	v.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	if strings.HasSuffix(f.name, ".worker.js") {
		v.Set(fiber.HeaderContentSecurityPolicy, workerPolicy)
	}
	if strings.Contains(v.Get(fiber.HeaderAcceptEncoding), "gzip") {
		if packed := f.gzip(); packed != nil {
			v.Set(fiber.HeaderContentEncoding, "gzip")
			return v.Send(packed)
		}
	}
	return v.Send(f.plain)
}
