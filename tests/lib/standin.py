#!/usr/bin/env python3
"""Stands in for Slack, Discord, Teams and ntfy: takes what they take, and refuses what they refuse.

    standin.py DIR

Listens on 127.0.0.1, writes the port to DIR/port, and a JSON line for each request to DIR/requests.jsonl:
service, path, status, answer, and shown, which is what people would see. Who is meant is told by the path, as it
is in each service's addresses. Written from their documents, as of November 2026:

    https://api.slack.com/messaging/webhooks, .../changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
    https://discord.com/developers/docs/resources/webhook#execute-webhook
    https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
    https://docs.ntfy.sh/publish/#publish-as-json
"""
import http.server
import json
import os
import re
import sys


class Refused(Exception):
    def __init__(self, status, answer):
        super().__init__(answer)
        self.status, self.answer = status, answer


def need(good, status, answer):
    if not good:
        raise Refused(status, answer)


def slack(path, body, size):
    need(re.fullmatch(r"/services/T\w+/B\w+/\w{24}", path), 404, "no_service")
    need(isinstance(body, dict), 400, "invalid_payload")
    text = body.get("text")
    need(isinstance(text, str) and text, 400, "no_text")
    need(body.keys() <= {"text", "blocks", "attachments", "thread_ts", "mrkdwn"}, 400, "invalid_payload")
    need(isinstance(body.get("mrkdwn", True), bool), 400, "invalid_payload")
    need(len(text) <= 4000, 400, "msg_too_long")  # it would be split
    # An & or an angle bracket that is no escape and no <link> means something else than it says.
    need(not re.search(r"[<>]|&(?!(amp|lt|gt);)", text), 400, "invalid_payload")
    return 200, "ok", text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def discord(path, body, size):
    need(re.fullmatch(r"/api/webhooks/\d{17,20}/[\w-]{60,}", path), 401, '{"message": "Invalid Webhook Token", "code": 50027}')
    form = '{"message": "Invalid Form Body", "code": 50035}'
    need(isinstance(body, dict), 400, form)
    content = body.get("content")
    need(isinstance(content, str) and content, 400, '{"message": "Cannot send an empty message", "code": 50006}')
    need(len(content.encode("utf-16-le")) // 2 <= 2000, 400, form)
    mentions = body.get("allowed_mentions", {"parse": ["everyone"]})
    need(mentions == {"parse": []}, 400, form)  # theirs may be more; nobody is to be called here
    plain = re.sub(r"\\([^\w\s])", r"\1", content)
    return 204, "", re.sub(r"^```\n|\n```$", "", plain, flags=re.M)


def teams(path, body, size):
    need(re.fullmatch(r"/workflows/\w{32}/triggers/manual/paths/invoke\?.*\bsig=[\w-]+", path), 401, "DirectApiInvalidAuthorizationScheme")
    need(size <= 28 * 1024, 413, "RequestEntityTooLarge")
    wrong = "TriggerInputSchemaMismatch"
    need(isinstance(body, dict) and body.get("type") == "message", 400, wrong)
    cards = body.get("attachments")
    need(isinstance(cards, list) and cards, 400, wrong)
    lines = []
    for card in cards:
        need(card.get("contentType") == "application/vnd.microsoft.card.adaptive", 400, wrong)
        content = card.get("content")
        need(isinstance(content, dict) and content.get("type") == "AdaptiveCard", 400, wrong)
        need(re.fullmatch(r"1\.[0-5]", content.get("version", "")), 400, wrong)
        for block in content["body"]:
            need(block["type"] == "TextBlock" and block["text"], 400, wrong)
            lines.append(re.sub(r"\\([^\w\s])", r"\1", block["text"]))
    return 202, "", "\n".join(lines)


def ntfy(path, body, size):
    wrong = '{"code":40024,"http":400,"error":"invalid request: request body must be valid JSON"}'
    need(isinstance(body, dict), 400, wrong)
    need(re.fullmatch(r"[-_A-Za-z0-9]{1,64}", str(body.get("topic", ""))), 400,
         '{"code":40009,"http":400,"error":"invalid request: topic invalid"}')
    need(all(isinstance(body.get(key, ""), str) for key in ("title", "message")), 400, wrong)
    need(len(body.get("message", "").encode()) <= 4096, 400, wrong)  # else it comes as an attached file
    need(all(isinstance(tag, str) for tag in body.get("tags", [])), 400, wrong)
    need(body.get("priority", 3) in range(1, 6), 400,
         '{"code":40007,"http":400,"error":"invalid request: priority invalid"}')
    need(body.keys() <= {"topic", "title", "message", "tags", "priority", "click", "actions", "markdown"}, 400, wrong)
    return 200, '{"id":"x","event":"message"}', body.get("title", "") + "\n" + body.get("message", "")


# Where each one's addresses begin; the last takes the rest, if there is a rest at all.
SERVICES = {"/services/": slack, "/api/webhooks/": discord, "/workflows/": teams, "/": ntfy}


class Standin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def judge(self, service, data):
        need(self.command == "POST", 405, "method_not_allowed")
        need(service is not ntfy or self.path == "/", 404, '{"code":40401,"http":404,"error":"page not found"}')
        need(self.headers["content-type"].split(";")[0] == "application/json", 400, "invalid_payload")
        try:
            body = json.loads(data.decode("utf-8"))
        except ValueError:
            body = None
        return service(self.path, body, len(data))

    def answer(self):
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        service = next(s for prefix, s in SERVICES.items() if self.path.startswith(prefix))
        shown = None
        try:
            status, text, shown = self.judge(service, data)
        except Refused as refused:
            status, text = refused.status, refused.answer
        except (AttributeError, KeyError, TypeError) as error:
            status, text = 400, repr(error)
        record = {"service": service.__name__, "path": self.path, "status": status, "answer": text, "shown": shown}
        with open(f"{DIR}/requests.jsonl", "a") as f:
            f.write(json.dumps(record) + "\n")
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_PUT = do_POST = answer


DIR = sys.argv[1]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Standin)
with open(f"{DIR}/port.new", "w") as f:
    f.write(f"{server.server_port}\n")
os.rename(f"{DIR}/port.new", f"{DIR}/port")
server.serve_forever()
