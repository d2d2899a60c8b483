# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a real browser: headless Chromium, driven over its debugging pipe (NUL-ended JSON on descriptors 3 and 4)."""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

import pytest
from conftest import TIMEOUT
from ports import free_port

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="no browser here (Debian package chromium)")


class Browser:
    def __init__(self, language="en", width=1280):
        self.folder = tempfile.mkdtemp(prefix="lh-web-")
        to_read, self.out = os.pipe()
        self.into, to_write = os.pipe()

        self.process = subprocess.Popen(
            ["/bin/bash", "-c", f'exec 3<&{to_read} 4>&{to_write}; exec "$@"', "bash", "chromium", "--headless=new", "--no-sandbox",
             "--disable-gpu", "--remote-debugging-pipe", "--autoplay-policy=no-user-gesture-required", f"--accept-lang={language}",
             f"--user-data-dir={self.folder}", f"--window-size={width},1000", "about:blank"],
            pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.number, self.buffer, self.said, self.session = 0, b"", [], None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params, **({"sessionId": self.session} if self.session else {})}
        os.write(self.out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + TIMEOUT
        while True:
            while b"\0" not in self.buffer:
                assert select.select([self.into], [], [], max(0, end - time.monotonic()))[0], f"no answer to {method}"
                self.buffer += os.read(self.into, 1 << 20)
            one, _, self.buffer = self.buffer.partition(b"\0")
            answer = json.loads(one)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                self.said.append(answer)

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, expression):
        end = time.monotonic() + TIMEOUT
        while not self.value(expression):
            assert time.monotonic() < end, f"never: {expression}; {self.said}; {self.value('document.body.innerText')}"
            time.sleep(0.1)

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        os.close(self.out)
        os.close(self.into)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def browse():
    made = []

    def make(**kwargs):
        made.append(Browser(**kwargs))
        return made[-1]

    yield make
    for browser in made:
        browser.close()


def test_it_plays_and_seeks(make_daemon, media, browse):
    house = make_daemon({"http": {"loopback": f"127.0.0.1:{free_port()}"}, "media": {"derive": {"enabled": True, "load": 0}}}).start()
    name = "现场 <img src=x onerror=alert(1)>.mp4"
    house.drop(name, media("video", seconds=14))
    recording = house.wait_sealed(1)[0]["id"]
    browser = browse(language="zh-CN", width=400)
    browser.call("Page.navigate", url=house.cli("open", recording)["url"])  # perhaps before it is made: the page goes on by itself
    browser.wait("document.querySelector('video') && document.querySelector('video').readyState >= 2")
    assert browser.value("document.getElementById('name').textContent") == name
    assert browser.value("document.querySelector('h2').textContent") == "事实"
    assert browser.value("document.querySelectorAll('img').length") == 0
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")
    browser.value("const v = document.querySelector('video'); v.muted = true; v.play().then(() => true)")
    browser.wait("document.querySelector('video').currentTime > 0.3")
    for second in (6, 1, 7, 3):
        browser.value(f"document.querySelector('video').pause(), document.querySelector('video').currentTime = {second}")
        browser.wait(f"!document.querySelector('video').seeking && Math.abs(document.querySelector('video').currentTime - {second}) < 0.1")
    browser.value("document.getElementById('bar').focus()")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="Home", code="Home", windowsVirtualKeyCode=36)
    browser.wait("document.querySelector('video').currentTime === 0")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    browser.wait("Math.abs(document.querySelector('video').currentTime - 5) < 0.1")
    browser.value("document.activeElement.blur()")  # nothing has the focus: the page's keys are the time line's
    browser.call("Input.dispatchKeyEvent", type="keyDown", key=".", code="Period", windowsVirtualKeyCode=190)
    browser.wait("Math.abs(document.querySelector('video').currentTime - 5.04) < 0.02")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key=" ", code="Space", windowsVirtualKeyCode=32)
    browser.wait("!document.querySelector('video').paused")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key=" ", code="Space", windowsVirtualKeyCode=32)
    browser.wait("document.querySelector('video').paused")
    browser.value("document.getElementById('bar').scrollIntoView()")
    left, top, width = browser.value("(r => [r.left, r.top, r.width])(document.getElementById('bar').getBoundingClientRect())")
    spot = {"x": left + width / 2, "y": top + 10}
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", **spot)  # the strip of pictures, under the pointer
    browser.wait("!document.getElementById('preview').hidden && document.getElementById('thumb').style.backgroundImage.includes('sprite.jpg')")
    browser.value("state.cues = [], document.getElementById('thumb').style.backgroundImage = '', loadCues(state.about)")  # it comes while the pointer rests
    browser.wait("document.getElementById('thumb').style.backgroundImage.includes('sprite.jpg')")
    browser.call("Input.dispatchMouseEvent", type="mousePressed", button="left", buttons=1, clickCount=1, **spot)
    browser.call("Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, **spot)
    browser.wait("Math.abs(document.querySelector('video').currentTime - 7) < 0.3")
    assert "仅关键帧" in browser.value("document.getElementById('list').textContent")  # copied, and beyond the seconds that are searched for codes
    assert browser.said == []  # no error, no warning


def test_what_is_wrong_is_said_in_the_page_s_language(make_daemon, media, browse, tmp_path):
    house = make_daemon({"http": {"loopback": f"127.0.0.1:{free_port()}"}, "media": {"derive": {"enabled": True, "load": 0}}}).start()
    whole = media("photo").read_bytes()
    house.drop("cut.jpg", whole[:len(whole) * 2 // 3])
    house.drop("tall.pdf", media("pdf"))
    house.drop("zeros.mp4", bytes(5000))
    rows = {row["name"]: row["id"] for row in house.wait_sealed(3)}
    browser = browse(language="zh-CN")

    def look(name):
        house.run("open", rows[name], "--wait")
        browser.call("Page.navigate", url=house.cli("open", rows[name])["url"])
        browser.wait(f"document.getElementById('name') && document.getElementById('name').textContent === '{name}'")

    look("cut.jpg")
    notes = "document.getElementById('notes').innerText"
    browser.wait("document.querySelector('#stage img') && document.querySelector('#stage img').complete")
    assert "图片被截断：没有结束标志（marker），数据止于第 " in browser.value(notes)
    assert "图片数据有部分损坏或缺失" in browser.value(notes) and "the picture" not in browser.value(notes)
    look("zeros.mp4")
    assert browser.value(notes).split("\n\n") == ["此记录已损坏：内容全为零：空间已预留但从未写入", "此记录没有可显示的内容", "原件完好保存：原件"]
    look("tall.pdf")
    image = "document.querySelector('#stage.pages img')"
    browser.wait(f"{image} && {image}.complete && {image}.naturalWidth")
    assert browser.value(f"Math.abs({image}.clientWidth / {image}.clientHeight - {image}.naturalWidth / {image}.naturalHeight)") < 0.01
    assert browser.value("document.querySelector('figcaption').textContent") == "第 1 / 1 页"
    assert browser.value("document.getElementById('about').textContent").startswith("文档 · ")
    assert [said for said in browser.said if said["method"] == "Runtime.exceptionThrown"] == []
