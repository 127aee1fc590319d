package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/net/websocket"
)

// chromium is a headless browser that a test drives by the Chrome DevTools
// protocol.
type chromium struct {
	cmd    *exec.Cmd
	ws     *websocket.Conn
	next   int
	loaded bool // a page was loaded since this was last set to false
}

// startChromium starts a browser with a profile in dir, as a phone sees it.
func startChromium(dir string) (*chromium, error) {
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0", "--remote-allow-origins=*", "--user-data-dir="+dir, "about:blank")
	told, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &chromium{cmd: cmd}
	err = c.connect(told)
	if err == nil {
		err = errors.Join(c.call("Page.enable", nil, nil), c.size(360, 740, "light"))
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

var devTools = regexp.MustCompile(`^DevTools listening on ws://([^/]+)/`)

// connect reads where the browser listens, which it says once it does, and
// opens a page there.
func (c *chromium) connect(told io.Reader) error {
	var at []string
	lines := bufio.NewScanner(told)
	for at == nil && lines.Scan() {
		at = devTools.FindStringSubmatch(lines.Text())
	}
	if at == nil {
		return errors.New("chromium does not listen")
	}
	go io.Copy(io.Discard, told)
	r, err := http.NewRequest(http.MethodPut, "http://"+at[1]+"/json/new?about:blank", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var page struct{ WebSocketDebuggerURL string }
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
		return err
	}
	if c.ws, err = websocket.Dial(page.WebSocketDebuggerURL, "", "http://127.0.0.1"); err == nil {
		c.ws.MaxPayloadBytes = 64 << 20
	}
	return err
}

func (c *chromium) close() {
	if c.ws != nil {
		c.call("Browser.close", nil, nil) // it flushes and ends its children
		c.ws.Close()
	}
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// reply is a message of the protocol: an answer, or an event.
type reply struct {
	ID     int
	Method string
	Result json.RawMessage
	Error  *struct{ Message string }
}

// call sends a command and decodes its answer.
func (c *chromium) call(method string, params map[string]any, into any) error {
	c.next++
	if err := websocket.JSON.Send(c.ws, map[string]any{"id": c.next, "method": method, "params": params}); err != nil {
		return err
	}
	for {
		r, err := c.read()
		switch {
		case err != nil:
			return err
		case r.ID != c.next:
		case r.Error != nil:
			return fmt.Errorf("%s: %s", method, r.Error.Message)
		case into == nil:
			return nil
		default:
			return json.Unmarshal(r.Result, into)
		}
	}
}

func (c *chromium) read() (r reply, err error) {
	c.ws.SetReadDeadline(time.Now().Add(time.Minute)) // a browser that hangs
	err = websocket.JSON.Receive(c.ws, &r)
	c.loaded = c.loaded || r.Method == "Page.loadEventFired"
	return r, err
}

// loads does what makes the browser load a page, and waits for that.
func (c *chromium) loads(do func() error) error {
	c.loaded = false
	err := do()
	for err == nil && !c.loaded {
		_, err = c.read()
	}
	return err
}

func (c *chromium) open(address string) error {
	return c.loads(func() error { return c.call("Page.navigate", map[string]any{"url": address}, nil) })
}

// eval runs an expression and returns its value as text.
func (c *chromium) eval(expression string) (string, error) {
	var out struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	err := c.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &out)
	if err == nil && out.ExceptionDetails != nil {
		err = fmt.Errorf("%s: %s", expression, out.ExceptionDetails.Text)
	}
	return fmt.Sprint(out.Result.Value), err
}

// press clicks what a CSS selector finds, which must load a page.
func (c *chromium) press(selector string) error {
	return c.loads(func() error {
		_, err := c.eval(fmt.Sprintf("document.querySelector(%q).click()", selector))
		return err
	})
}

// fill types into a field.
func (c *chromium) fill(selector, text string) error {
	_, err := c.eval(fmt.Sprintf("document.querySelector(%q).value = %q", selector, text))
	return err
}

// size makes the window as large as told, in a colour scheme.
func (c *chromium) size(width, height int, scheme string) error {
	return errors.Join(
		c.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil),
		c.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil))
}

// shoot saves what the whole page looks like on a phone and on a desk, by
// light and by dark, under the folder that $BREVET_SHOTS names.
func (c *chromium) shoot(name string) error {
	dir := os.Getenv("BREVET_SHOTS")
	if dir == "" {
		return nil
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int{{360, 740}, {1280, 800}} {
			if err := c.size(size[0], size[1], scheme); err != nil {
				return err
			}
			var out struct{ Data string }
			if err := c.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &out); err != nil {
				return err
			}
			png, err := base64.StdEncoding.DecodeString(out.Data)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, size[0], scheme)), png, 0o600); err != nil {
				return err
			}
		}
	}
	return c.size(360, 740, "light")
}
