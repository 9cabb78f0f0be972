#!/usr/bin/env python3
"""A security team's certificate service, as such services are: JSON over HTTPS, a bearer token, rules of
its own, and a person who approves. Written for certbake's tests and as an example to describe in
certbake.toml; nothing but Python's standard library and the openssl program.

    service.py --dir DIR [--port PORT]

makes a CA, a server certificate and two tokens in DIR where there are none (DIR/ca.pem, DIR/token for
builds, DIR/approver-token for people), and serves until it is stopped.

    POST /api/v1/certificates               {"request": PEM, "lifetime_seconds": N, "purpose": "mtls-client"}
        201 {"status": "issued", "serial": …, "certificate": PEM, "chain": [PEM]}
        202 {"status": "pending", "links": {"self": …}}   names that begin with "prod-" need an approval
        200 {"status": "denied", "error": {"message": …}} names that begin with "evil"
        400 {"error": {"message": …}}                     a request that cannot be signed
        409 {"error": {"message": …}}                     the signer is in use
    GET  /api/v1/requests/ID                as above, once more
    POST /api/v1/requests/ID/approve        (or /deny) with the approver's token
    POST /api/v1/certificates/SERIAL/revoke {"reason": …}
    GET  /api/v1/whoami                     {"user": …}
"""

import argparse
import hmac
import json
import os
import re
import secrets
import ssl
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST = 30 * 86400
LARGEST_BODY = 64 * 1024

EXTENSIONS = """
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""

CONFIG = """
[ca]
default_ca = service
[service]
database = {dir}/index.txt
new_certs_dir = {dir}/issued
certificate = {dir}/issuing.pem
private_key = {dir}/issuing.key
rand_serial = yes
unique_subject = no
default_md = sha256
policy = policy
copy_extensions = copy
[policy]
commonName = optional
organizationName = optional
organizationalUnitName = optional
countryName = optional
stateOrProvinceName = optional
localityName = optional
"""


class Refused(Exception):
    """What the caller is told, and under which status."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
        self.message = message


def openssl(*arguments, text=None):
    done = subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip() and "Using configuration" not in line]
        raise Refused(400, "the request cannot be signed: " + " ".join(lines[-2:]))
    return done.stdout


def write(path, text, mode=0o600):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)


def make(directory):
    """A root, an issuing CA below it, a server certificate, and the tokens."""
    path = lambda name: os.path.join(directory, name)
    if os.path.exists(path("token")):
        return
    os.makedirs(path("issued"), exist_ok=True)
    write(path("index.txt"), "")
    write(path("openssl.cnf"), CONFIG.format(dir=directory))
    write(path("client.ext"), EXTENSIONS)
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365"]
    ca = ["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-addext"]
    openssl(*new, "-subj", "/CN=In-house Root", *ca, "basicConstraints=critical,CA:TRUE",
            "-keyout", path("root.key"), "-out", path("ca.pem"))
    root = ["-CA", path("ca.pem"), "-CAkey", path("root.key")]
    openssl(*new, *root, "-subj", "/CN=In-house Issuing", *ca, "basicConstraints=critical,CA:TRUE,pathlen:0",
            "-keyout", path("issuing.key"), "-out", path("issuing.pem"))
    openssl(*new, *root, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth",
            "-keyout", path("server.key"), "-out", path("server.pem"))
    write(path("approver-token"), secrets.token_hex(16) + "\n")
    write(path("token"), secrets.token_hex(16) + "\n")


class Service:
    """The CA, and the requests that wait for a person."""

    def __init__(self, directory):
        self.directory = directory
        self.waiting = {}
        self.signing = threading.Lock()
        self.users = {self.read("token").strip(): "builder", self.read("approver-token").strip(): "approver"}

    def read(self, name):
        with open(os.path.join(self.directory, name), encoding="utf-8") as file:
            return file.read()

    def user(self, header):
        scheme, _, token = (header or "").partition(" ")
        for known, user in self.users.items():
            if scheme.lower() == "bearer" and hmac.compare_digest(known, token):
                return user
        raise Refused(401, "no such token" if header else "a bearer token is needed")

    def order(self, body):
        request, ttl = body.get("request"), body.get("lifetime_seconds", LONGEST)
        if not isinstance(request, str) or not isinstance(ttl, int) or ttl <= 0:
            raise Refused(400, "request (PEM) and lifetime_seconds (a number) are needed")
        if body.get("purpose") != "mtls-client":
            raise Refused(400, "the only purpose is mtls-client")
        if ttl > LONGEST:
            raise Refused(422, f"{LONGEST // 86400} days are the longest lifetime, {ttl // 86400} were asked for")
        subject = openssl("req", "-noout", "-subject", "-verify", "-nameopt", "multiline", text=request)
        found = re.search(r"commonName\s*= (.*)", subject)
        name = found.group(1) if found else ""
        if name.startswith("evil"):
            return 200, {"status": "denied", "error": {"message": f"{name} is on the list of names that are never signed"}}
        if name.startswith("prod-"):
            number = secrets.token_hex(8)
            self.waiting[number] = {"request": request, "ttl": ttl, "answer": None}
            return self.ask(number)
        return self.sign(request, ttl)

    def ask(self, number):
        if number not in self.waiting:
            raise Refused(404, "no such request")
        answer = self.waiting[number]["answer"]
        return answer or (202, {"status": "pending", "links": {"self": f"/api/v1/requests/{number}"}})

    def decide(self, number, decision):
        if number not in self.waiting:
            raise Refused(404, "no such request")
        order = self.waiting[number]
        if decision == "approve":
            order["answer"] = self.sign(order["request"], order["ttl"])
        else:
            order["answer"] = 200, {"status": "denied", "error": {"message": "the approver said no"}}
        return 200, {"status": decision}

    def sign(self, request, ttl):
        if not self.signing.acquire(timeout=2):
            raise Refused(409, "the signer is in use")
        try:
            with tempfile.TemporaryDirectory() as work:
                asked, signed = os.path.join(work, "request.pem"), os.path.join(work, "certificate.pem")
                write(asked, request)
                end = subprocess.run(["date", "-u", "-d", f"{ttl} seconds", "+%Y%m%d%H%M%SZ"],
                                     capture_output=True, text=True, check=True).stdout.strip()
                path = lambda name: os.path.join(self.directory, name)
                openssl("ca", "-config", path("openssl.cnf"), "-batch", "-notext", "-extfile", path("client.ext"),
                        "-enddate", end, "-in", asked, "-out", signed)
                with open(signed, encoding="utf-8") as file:
                    certificate = file.read()
        finally:
            self.signing.release()
        serial = openssl("x509", "-noout", "-serial", text=certificate).strip().partition("=")[2].lower()
        chain = [self.read("issuing.pem"), self.read("ca.pem")]
        return 201, {"status": "issued", "serial": serial, "certificate": certificate, "chain": chain}

    def revoke(self, serial, body):
        issued = os.path.join(self.directory, "issued", serial.upper() + ".pem")
        if not re.fullmatch("[0-9a-f]+", serial) or not os.path.exists(issued):
            raise Refused(404, "no certificate has this serial number")
        try:
            openssl("ca", "-config", os.path.join(self.directory, "openssl.cnf"), "-batch",
                    "-revoke", issued, "-crl_reason", str(body.get("reason", "unspecified")))
        except Refused as error:
            if "revoked" not in error.message.lower():
                raise
        return 200, {"status": "revoked"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 202:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > LARGEST_BODY:
            raise Refused(413, "the request is too long")
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            raise Refused(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise Refused(400, "the body is not a JSON object")
        return body

    def route(self, method):
        service = self.server.service
        body = self.body()
        user = service.user(self.headers.get("Authorization"))
        parts = self.path.split("/")[3:]
        match (method, parts):
            case ("GET", ["whoami"]):
                return 200, {"user": user}
            case ("POST", ["certificates"]):
                return service.order(body)
            case ("GET", ["requests", number]):
                return service.ask(number)
            case ("POST", ["requests", number, ("approve" | "deny") as decision]):
                if user != "approver":
                    raise Refused(403, "only an approver decides")
                return service.decide(number, decision)
            case ("POST", ["certificates", serial, "revoke"]):
                return service.revoke(serial, body)
        raise Refused(404, "no such place")

    def handle_request(self, method):
        try:
            status, body = self.route(method)
        except Refused as error:
            status, body = error.status, {"error": {"message": error.message}}
        except Exception as error:  # the service stays up whatever one request does
            status, body = 500, {"error": {"message": type(error).__name__}}
        self.answer(status, body)

    def do_GET(self):
        self.handle_request("GET")

    def do_POST(self):
        self.handle_request("POST")


def main():
    words = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    words.add_argument("--dir", required=True)
    words.add_argument("--port", type=int, default=8443)
    given = words.parse_args()
    directory = os.path.abspath(given.dir)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    make(directory)
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Handler)
    server.daemon_threads = True
    server.service = Service(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "server.pem"), os.path.join(directory, "server.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"listening on https://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
