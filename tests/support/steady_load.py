"""A pod that sends requests to a service without a pause, and prints what became of them.

The name of the service is resolved once: its address does not change, and the tests are not about DNS.
"""

import json
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

CLIENTS = 4
TIMEOUT = 60.0
OUTPUT = threading.Lock()


def ask(url: str, model: str, key: str) -> str:
    """One request; returns what went wrong, or nothing."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "one two three"}]}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{url}/chat/completions", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            json.loads(answer.read())["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read()[:200]!r}"
    except Exception as error:  # noqa: BLE001 (all of them are results)
        return f"{type(error).__name__}: {error}"
    return ""


def client(number: int, url: str, model: str, key: str) -> None:
    """Ask forever; print each failure at once, and each success."""
    while True:
        began = time.time()
        error = ask(url, model, key)
        line = json.dumps({"client": number, "began": began, "ended": time.time(), "error": error})
        with OUTPUT:  # otherwise, lines of several clients would be mixed
            print(line, flush=True)
        time.sleep(0.1 if not error else 1.0)


def address(host: str) -> str:
    """The IP address of a host; DNS may fail for a moment."""
    while True:
        try:
            return socket.gethostbyname(host)
        except OSError:
            time.sleep(0.5)


if __name__ == "__main__":
    service, api_key = sys.argv[1:]
    base_url = f"http://{address(service)}:8000/v1"
    for number in range(CLIENTS):
        threading.Thread(target=client, args=(number, base_url, service, api_key), daemon=True).start()
    time.sleep(3600)
