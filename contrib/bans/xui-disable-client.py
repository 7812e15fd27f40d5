#!/usr/bin/env python3
"""Disables a client in 3X-UI when an alert names it (`email` is what the panel calls its clients' names).

3X-UI 2.x:    with a login: the client's `enable` is set to false in each inbound that has it.
                xui-disable-client.py URL --login NAME PASSWORD-FILE
3X-UI 3.x:    with an API token (Settings, Security): the client is detached from its inbounds; attach it again
              in the panel.
                xui-disable-client.py URL --token TOKEN-FILE
URL is the panel with its secret path: https://127.0.0.1:2053/s3cret. A certificate of its own: --ca FILE.
trailwarden:  notifiers: {panel: {type: command, command: [/usr/local/lib/trailwarden/xui-disable-client.py,
                                  "https://127.0.0.1:2053/s3cret", --token, /etc/trailwarden/xui.token]}}
"""
import argparse
import http.cookiejar
import json
import ssl
import urllib.parse
import urllib.request

import tw_action as tw


def answer(text):
    """The panel says `success: false` with http 200."""
    try:
        document = json.loads(text)
    except ValueError:
        tw.end(tw.FAILED, "the panel's answer is no JSON: is the path right?")
    if not document.get("success"):
        tw.end(tw.FAILED, "the panel says: " + str(document.get("msg"))[:150])
    return document.get("obj")


def disable(url, opener, name):
    """2.x: how many inbounds had it."""
    done = 0
    for inbound in answer(tw.http(url + "/panel/api/inbounds/list", through=opener)) or []:
        for client in json.loads(inbound.get("settings") or "{}").get("clients") or []:
            if client.get("email") != name or client.get("enable") is False:
                continue
            key = client.get("id") or client.get("password") or client.get("email")
            client["enable"] = False
            form = urllib.parse.urlencode({"id": inbound["id"], "settings": json.dumps({"clients": [client]})})
            answer(tw.http(url + "/panel/api/inbounds/updateClient/" + urllib.parse.quote(key, safe=""), form, form=True,
                           through=opener))
            done += 1
    return done


def detach(url, opener, headers, name):
    """3.x: how many inbounds had it."""
    path = url + "/panel/api/clients/"
    found = answer(tw.http(path + "get/" + urllib.parse.quote(name, safe=""), headers=headers, through=opener))
    inbounds = [i for i in found.get("inboundIds") or [] if isinstance(i, int)]
    if inbounds:
        answer(tw.http(path + urllib.parse.quote(name, safe="") + "/detach", {"inboundIds": inbounds}, headers, through=opener))
    return len(inbounds)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("url")
    p.add_argument("--login", nargs=2, metavar=("NAME", "PASSWORD-FILE"))
    p.add_argument("--token", metavar="FILE")
    p.add_argument("--ca", metavar="FILE")
    p.add_argument("--never", metavar="FILE")
    a = p.parse_args()
    if bool(a.login) == bool(a.token):
        tw.end(tw.FAILED, "either --login or --token")
    names, url = tw.users(a.never), a.url.rstrip("/")
    opener = tw.opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
                       urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=a.ca)))
    headers = {"Authorization": "Bearer " + tw.secret(a.token)} if a.token else {}
    if a.login:
        form = urllib.parse.urlencode({"username": a.login[0], "password": tw.secret(a.login[1])})
        answer(tw.http(url + "/login", form, form=True, through=opener))
    n = sum(detach(url, opener, headers, name) if a.token else disable(url, opener, name) for name in names)
    tw.end(tw.DONE, f"{n} client(s) of {' '.join(names)} disabled")


main()
