// SPDX-License-Identifier: GPL-3.0-or-later
// One recording in a browser: asks what there is of it (about.json) until all is made, plays it, and marks on a time line what was
// found in it. Whatever comes from a recording is hostile: it goes into the page as text only, and into numbers only after a check.
"use strict";

const POLL_MSEC = 1500;
const chinese = document.documentElement.lang.startsWith("zh");
const word = WORDS[chinese ? "zh" : "en"];
const by = (id) => document.getElementById(id);
const state = { player: null, shown: "", seconds: 0, cues: [], peaks: [], hover: null, about: null };

function element(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

const say = (key, value) => word[key].replace("{}", value);
const list = (value) => (Array.isArray(value) ? value : []);
const number = (value) => (Number.isFinite(value) ? value : 0);
const text = (value) => (typeof value === "string" ? value : "");

function readName(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // bytes that are no UTF-8 stay encoded
  }
}

// Characters that turn a line around or act on what stands beside them are shown as what they are.
const plain = (value) => text(value).replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; bytes >= 1024 && at < units.length - 1; at++) bytes /= 1024;
  return `${at && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)} ${units[at]}`;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, "0");
  return `${whole >= 3600 ? `${Math.floor(whole / 3600)}:` : ""}${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

const lengthText = (seconds) => (seconds < 10 ? say("seconds", seconds.toFixed(1)) : clock(seconds));

function moment(usec, zone) {
  try {
    return new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" }).format(new Date(usec / 1000)) + ` (${zone})`;
  } catch {
    return new Date(usec / 1000).toISOString();
  }
}

// The patterns of the sentences; a part that differs has no "; ", which stands between sentences.
const patterns = SENTENCES.map(([english, words]) => {
  const pattern = english.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{\}/g, "((?:(?!; ).)*?)");
  return [new RegExp(`^${pattern}$`, "s"), words];
});

// A sentence of the programs in Chinese; empty: it is not known. Parts of it may be such sentences, too.
function inChinese(sentence) {
  for (const [pattern, words] of patterns) {
    const found = pattern.exec(sentence);
    if (found) return words.replace(/\{(\d)\}/g, (_, n) => inChinese(text(found[n]).trim()) || text(found[n]));
  }
  return "";
}

// "first; second; third", each of which may have a semicolon of its own: the longest that are known.
function sentencesOf(message) {
  const parts = message ? message.split("; ") : [], out = [];
  for (let at = 0, n; at < parts.length; at += n) {
    for (n = parts.length - at; n > 1 && !inChinese(parts.slice(at, at + n).join("; ")); n--);
    out.push(parts.slice(at, at + n).join("; "));
  }
  return out;
}

const inWords = (sentences) => plain(sentences.map((one) => (chinese && inChinese(one)) || one).join(chinese ? "；" : "; "));

// ---- what is shown

const fileOf = (about, name) => list(about.derived.files).find((f) => f.name === name);
const filesLike = (about, pattern) => list(about.derived.files).filter((f) => pattern.test(f.name));

function note(key, sentences, bad) {
  by("notes").append(element("p", bad ? { class: "bad" } : {}, word[key] + (sentences.length ? `${word.colon}${inWords(sentences)}` : "")));
}

// Each reason is said once: that a recording is damaged is often why it could not be made viewable, too.
function showNotes(about) {
  const derived = about.derived, files = list(derived.files), found = sentencesOf(text(about.message)), nothing = text(derived.nothing);
  const further = (message) => sentencesOf(text(message)).filter((one) => !found.includes(one));
  by("notes").replaceChildren();
  if (about.status === "damaged" || about.status === "unknown") note(about.status, found, true);
  if (files.some((f) => f.how === "salvaged")) note("salvaged", [], true);
  if (derived.state === "failed") note("failed", further(derived.message), true);
  else if (nothing) note("nothing", found.length && about.kind === "data" ? [] : further(nothing), true);
  else if (derived.state === "ready" && further(derived.message).length) note("remarks", further(derived.message), true);
  if (!nothing && viewable(about) === "poster.jpg" && !isBeingMade(about)) note("poster", sentencesOf(missing(derived, "proxy.mp4")));
  if (nothing) by("notes").append(element("p", {}, word.kept, element("a", { href: "original", download: "" }, word.original)));
}

const isBeingMade = (about) => about.derived.state === "waiting" || about.derived.state === "running";

// Why a file was not made.
const missing = (derived, name) => text((list(derived.missing).find((m) => m.name === name) || {}).message);

function showProgress(about) {
  const derived = about.derived, permille = number(derived.progress_permille), running = derived.state === "running";
  const bar = element("progress", running && permille ? { max: 1000, value: permille } : { max: 1000 });
  bar.setAttribute("aria-label", word.running);
  by("stage").replaceChildren(element("p", {}, running && permille ? say("percent", Math.floor(permille / 10)) : word[derived.state] || ""), bar);
}

function onBroken() {
  if (!document.querySelector("#notes .player")) {
    note("unplayable", [], true);
    by("notes").lastChild.className = "bad player";
  }
}

function makePlayer(about, source, tag) {
  const player = element(tag, { controls: "", preload: "metadata", playsinline: "" });
  if (tag === "video" && fileOf(about, "poster.jpg")) player.poster = "poster.jpg";
  player.addEventListener("error", onBroken);
  for (const name of ["timeupdate", "seeking", "loadedmetadata"]) player.addEventListener(name, moveCursor);
  player.src = source;
  state.player = player;
  by("stage").replaceChildren(player);
}

// What of it can be seen now; an empty text while nothing can.
function viewable(about) {
  const proxy = filesLike(about, /^proxy\./)[0];
  if (proxy) return proxy.name;
  if (fileOf(about, "photo-large.jpg")) return "photo-large.jpg";
  if (filesLike(about, /^page-\d+\.jpg$/).length) return "pages";
  return fileOf(about, "poster.jpg") ? "poster.jpg" : "";
}

function makeImage(file, alt) {
  const image = element("img", { src: file.name, alt, loading: "lazy" });
  if (number(file.width) && number(file.height)) Object.assign(image, { width: file.width, height: file.height });
  return image;
}

const pageNumber = (file) => parseInt(file.name.slice(5), 10);

function showPages(about) {
  const files = filesLike(about, /^page-\d+\.jpg$/).sort((a, b) => pageNumber(a) - pageNumber(b)), all = number((about.decoded || {}).pages);
  by("stage").replaceChildren(...files.map((f) => element("figure", {}, element("figcaption", {}, say("page", all ? `${pageNumber(f)} / ${all}` : pageNumber(f))),
    makeImage(f, say("page", pageNumber(f))))));
  if (all > files.length) by("stage").append(element("p", {}, say("pagesof", files.length).replace("{}", all)));
}

// A still picture stands there until there is more; it goes on being made meanwhile.
function showPoster(about) {
  const image = makeImage(fileOf(about, "poster.jpg"), word.still);
  if (isBeingMade(about)) showProgress(about);
  else by("stage").replaceChildren();
  by("stage").append(image);
}

function showStage(about) {
  const what = viewable(about), file = fileOf(about, what);
  if (!what) {
    if (isBeingMade(about)) showProgress(about);
    else by("stage").replaceChildren();
    return;
  }
  if (state.shown === what && what !== "poster.jpg") return;
  state.shown = what;
  by("stage").className = what === "pages" ? "pages" : "";
  if (what === "pages") showPages(about);
  else if (what === "poster.jpg") showPoster(about);
  else if (what.startsWith("photo")) by("stage").replaceChildren(makeImage(file, word.photo));
  else makePlayer(about, what, text(file.type).startsWith("audio/") || about.kind === "audio" ? "audio" : "video");
}

// ---- the time line

const length = () => (state.player && Number.isFinite(state.player.duration) ? state.player.duration : state.seconds);

function moveCursor() {
  const at = state.player ? state.player.currentTime : 0, all = length();
  by("cursor").style.left = all ? `${(100 * at) / all}%` : "0";
  by("clock").textContent = `${clock(at)} / ${clock(all)}`;
  const bar = by("bar");
  bar.setAttribute("aria-valuemax", Math.floor(all));
  bar.setAttribute("aria-valuenow", Math.floor(at));
  bar.setAttribute("aria-valuetext", `${clock(at)} / ${clock(all)}`);
}

function seek(seconds) {
  if (state.player) state.player.currentTime = Math.min(Math.max(0, seconds), length());
}

function addMarks(spans, kind, toSpan) {
  const all = length();
  for (const one of list(spans).slice(0, 64)) {
    const [from, to] = toSpan(list(one).map(number));
    const mark = element("div", { class: `mark ${kind}`, title: `${word[kind]} ${clock(from)} – ${clock(to)}` });
    mark.style.left = `${Math.min(100, (100 * from) / all)}%`;
    mark.style.width = `${Math.max(0, Math.min(100, (100 * (to - from)) / all))}%`;
    by("marks").append(mark);
  }
  if (list(spans).length) by("legend").append(element("li", {}, element("i", { class: `mark ${kind}` }), word[kind]));
}

function showMarks(decoded) {
  const usec = 1e6;
  by("marks").replaceChildren();
  by("legend").replaceChildren();
  if (!length()) return;
  addMarks(decoded.gaps, "gap", ([at, long]) => [at / usec, (at + long) / usec]);
  addMarks(decoded.jumps, "jump", ([at]) => [at / usec, at / usec]);
  addMarks(decoded.black, "black", ([from, to]) => [from / usec, to / usec]);
  addMarks(decoded.silence, "silence", ([from, to]) => [from / usec, to / usec]);
}

// Peaks are numbers from 0 on, or pairs of lowest and highest; drawn around the middle, as high as the loudest.
function drawWave(peaks) {
  const canvas = by("wave"), ratio = window.devicePixelRatio || 1;
  const width = (canvas.width = Math.round(canvas.clientWidth * ratio)), height = (canvas.height = Math.round(canvas.clientHeight * ratio));
  const loudest = peaks.reduce((most, p) => Math.max(most, p), 1), context = canvas.getContext("2d");
  context.fillStyle = "#8fa9bf";
  for (let x = 0; x < width; x++) {
    const from = Math.floor((x * peaks.length) / width), to = Math.max(from + 1, Math.floor(((x + 1) * peaks.length) / width));
    let most = 0;
    for (let i = from; i < to; i++) most = Math.max(most, peaks[i]);
    const tall = Math.max(1, (most / loudest) * height * 0.9);
    context.fillRect(x, (height - tall) / 2, 1, tall);
  }
}

// The loudness of each point, whatever else stands in peaks.json.
function readPeaks(json) {
  const found = Object.values(json || {}).find((v) => Array.isArray(v) && v.length > 1 && v.every((n) => Number.isFinite(n) || Array.isArray(n)));
  return (Array.isArray(json) ? json : found || []).slice(0, 100000).map((v) => Math.max(...[v].flat().map((n) => Math.abs(number(n))), 0));
}

async function showWave(about) {
  if (!fileOf(about, "peaks.json")) return;
  const answer = await fetch("peaks.json");
  state.peaks = answer.ok ? readPeaks(await answer.json()) : [];
  if (state.peaks.length) drawWave(state.peaks);
}

// "00:00:04.000 --> 00:00:08.000" and "sprite.jpg#xywh=160,0,160,90": only numbers are taken from it.
function readCues(vtt) {
  const time = "(?:(\\d+):)?(\\d\\d):(\\d\\d)\\.(\\d{3})", cue = new RegExp(`${time} --> ${time}[^\\n]*\\n[^\\n]*#xywh=(\\d+),(\\d+),(\\d+),(\\d+)`, "g");
  return [...vtt.matchAll(cue)].slice(0, 10000).map((m) => {
    const n = m.slice(1).map((part) => Number(part || 0));
    return { from: n[0] * 3600 + n[1] * 60 + n[2] + n[3] / 1000, x: n[8], y: n[9], width: n[10], height: n[11] };
  });
}

async function loadCues(about) {
  if (!fileOf(about, "sprite.jpg") || !fileOf(about, "sprite.vtt")) return;
  const answer = await fetch("sprite.vtt");
  state.cues = answer.ok ? readCues(await answer.text()) : [];
  if (state.hover) showPreview(state.hover.seconds, state.hover.x); // the strip came while the pointer rested on the line
}

function showPreview(seconds, x) {
  const cue = state.cues.filter((c) => c.from <= seconds).pop(), box = by("preview"), bar = by("bar");
  by("thumbtime").textContent = clock(seconds);
  const thumb = by("thumb").style;
  thumb.width = cue ? `${cue.width}px` : "0";
  thumb.height = cue ? `${cue.height}px` : "0";
  if (cue) {
    thumb.backgroundImage = "url(sprite.jpg)";
    thumb.backgroundPosition = `-${cue.x}px -${cue.y}px`;
  }
  box.hidden = false;
  box.style.left = `${Math.max(0, Math.min(bar.clientWidth - box.offsetWidth, x - box.offsetWidth / 2))}px`;
  box.style.top = `${-box.offsetHeight - 6}px`;
}

function hidePreview() {
  state.hover = null;
  by("preview").hidden = true;
}

function onPointer(event) {
  const bounds = by("bar").getBoundingClientRect(), x = event.clientX - bounds.left, seconds = (x / bounds.width) * length();
  if (!length()) return;
  state.hover = { seconds: Math.max(0, Math.min(length(), seconds)), x };
  showPreview(state.hover.seconds, x);
  if (event.buttons & 1) seek(seconds);
}

// The length of one picture, for stepping.
function onePicture() {
  const decoded = (state.about && state.about.decoded) || {}, stream = list(((state.about && state.about.media) || {}).streams).find((s) => s.type === "video");
  const rate = number(decoded.rate_num / decoded.rate_den) || perSecond(stream && stream.rate);
  return rate >= 1 && rate <= 240 ? 1 / rate : 0.04;
}

function stepPicture(way) {
  state.player.pause();
  seek(state.player.currentTime + way * onePicture());
}

// What has keys of its own (the browser's player, buttons, links) keeps them; pages scroll unless the time line has the focus.
function onKey(event) {
  const player = state.player, onBar = event.target === by("bar"), steps = { ArrowLeft: -5, ArrowRight: 5, ...(onBar ? { PageUp: 60, PageDown: -60 } : {}) };
  if (!player || event.ctrlKey || event.altKey || event.metaKey || (!onBar && event.target !== document.body)) return;
  if (event.key in steps) seek(player.currentTime + steps[event.key] * (event.shiftKey ? 6 : 1));
  else if (event.key === "," || event.key === ".") stepPicture(event.key === "," ? -1 : 1);
  else if (event.key === "Home" && onBar) seek(0);
  else if (event.key === "End" && onBar) seek(length());
  else if (event.key === " ") player.paused ? player.play().catch(onBroken) : player.pause();
  else return;
  event.preventDefault();
}

async function showLine(about) {
  state.seconds = number(about.media && about.media.duration_usec) / 1e6;
  by("line").hidden = false;
  by("bar").setAttribute("aria-label", word.position);
  by("keys").textContent = state.player.tagName === "VIDEO" ? word.keyshelp + word.stephelp : word.keyshelp;
  moveCursor();
  showMarks(about.decoded || {});
  state.player.onloadedmetadata = () => showMarks((state.about && state.about.decoded) || {}); // again for each look: set, not added
  await Promise.all([showWave(about), loadCues(about)]);
}

// ---- facts

function fact(key, value, source) {
  if (!value) return;
  by("list").append(element("dt", {}, word[key]), element("dd", {}, plain(value), ...(source ? [" ", element("small", {}, `(${source})`)] : [])));
}

// "rule:body camera", "media:exif DateTimeOriginal", "sidecar": where a fact comes from.
function sourceText(source) {
  const [, from, rest] = /^(rule|folder|media|device|sidecar|bodyworn)(?::(.*))?$/s.exec(text(source)) || [];
  if (from) return rest ? `${word[`by_${from}`]}${word.colon}${plain(rest)}` : word[`by_${from}`];
  return text(source) === "started + duration" ? word.by_length : plain(source);
}

function placed(about, key, label) {
  const one = about.place && about.place[key];
  if (!one || one.value === undefined) return;
  const value = Number.isInteger(one.value) ? moment(one.value, about.zone) : text(one.value);
  fact(label || key, value, [sourceText(one.source), word[one.certainty] || plain(one.certainty)].filter(Boolean).join(word.comma));
}

// "25/1" or "30000/1001" as a number of pictures a second; 0: not known.
function perSecond(rate) {
  const [n, d] = text(rate).split("/").map(Number), value = n / (d || 1);
  return Number.isFinite(value) && value > 0 ? value : 0;
}

const rateText = (value) => (value ? `, ${Number(value.toFixed(2))}/s` : "");

const degrees = (p) => (p && Number.isInteger(p.lat_e7) ? `${(p.lat_e7 / 1e7).toFixed(6)}, ${(number(p.lon_e7) / 1e7).toFixed(6)}` : "");

function streamFacts(streams) {
  for (const s of list(streams)) {
    const codec = text(s.codec);
    if (s.type === "video") fact("picture", `${codec} ${number(s.width)}×${number(s.height)}${rateText(perSecond(s.rate))}`);
    if (s.type === "audio") fact("sound", `${codec} ${number(s.sample_rate)} Hz, ${say(number(s.channels) === 1 ? "channel" : "channels", number(s.channels))}`);
  }
}

function decodedFacts(d) {
  const trail = d.trail || {};
  if (d.rate) fact("rate", `${word[d.rate] || text(d.rate)}${number(d.rate_den) ? rateText(number(d.rate_num / d.rate_den)) : ""}`);
  for (const code of list(d.qr)) fact("qr", text(code));
  fact("signed", text(d.signed));
  if (number(trail.points)) fact("trail", `${say("points", trail.points)}: ${degrees(trail.first)} → ${degrees(trail.last)}`);
  for (const kind of ["gaps", "jumps"]) if (list(d[kind]).length) fact(kind === "gaps" ? "gap" : "jump", list(d[kind]).map((g) => clock(number(g[0]) / 1e6)).join(", "));
  for (const kind of ["black", "silence"]) if (list(d[kind]).length) fact(kind, list(d[kind]).map((g) => `${clock(number(g[0]) / 1e6)} – ${clock(number(g[1]) / 1e6)}`).join(", "));
  if (d.truncated) fact("truncated", word.yes);
  if (d.key_pictures_only) fact("looked", word.keys);
  if (number(d.picture_errors) + number(d.sound_errors)) fact("errors", String(number(d.picture_errors) + number(d.sound_errors)));
}

function showFacts(about) {
  const media = about.media || {};
  by("list").replaceChildren();
  by("facts").hidden = false;
  placed(about, "started");
  placed(about, "ended", "endedat");
  for (const key of ["device", "officer", "unit", "case_number"]) placed(about, key);
  fact("received", moment(number(about.received), about.zone));
  if (number(media.duration_usec)) fact("duration", lengthText(media.duration_usec / 1e6));
  fact("make", [text((media.device || {}).make), text((media.device || {}).model)].filter(Boolean).join(" "));
  fact("container", text(media.container));
  if (!list(media.streams).length && number(media.width) && number(media.height)) fact("picture", `${media.width}×${media.height}`);
  streamFacts(media.streams);
  fact("place", degrees(media.gps));
  decodedFacts(about.decoded || {});
  fact("recording", text(about.id));
  fact("sha256", text(about.digest));
  fact("sm3", text(about.sm3));
}

// ---- files

function playOriginal(about, button) {
  const tag = state.player.tagName.toLowerCase(), at = state.player.currentTime, original = button.dataset.shows !== "original";
  makePlayer(about, original ? "original" : state.shown, tag);
  state.player.addEventListener("loadedmetadata", () => seek(at), { once: true });
  button.dataset.shows = original ? "original" : "";
  button.textContent = original ? word.proxy : word.play;
  by("foot").textContent = `${original ? word.origplays : word.notorig}${word.space}${say("viewer", plain(about.viewer))}`;
}

function showFiles(about) {
  const links = by("links"), original = element("a", { href: "original", download: "" }, word.original), type = text(about.original_type);
  const item = element("li", {}, original, ` ${size(number(about.bytes))} `);
  links.replaceChildren(item);
  by("files").hidden = false;
  if (state.player && state.player.canPlayType(type) && /^(video|audio)\//.test(type)) {
    const button = element("button", { type: "button" }, word.play);
    button.addEventListener("click", () => playOriginal(about, button));
    item.append(button);
  }
  for (const f of filesLike(about, /^(proxy\..*|trail\.gpx|photo-large\.jpg)$/)) {
    const label = f.name === "trail.gpx" ? word.trailfile : word.copy;
    links.append(element("li", {}, element("a", { href: f.name, download: `${about.id}-${f.name}` }, label), ` ${size(number(f.bytes))}${f.how ? ` · ${word[`how_${f.how}`] || plain(f.how)}` : ""}`));
  }
}

// ---- all of it

function showHead(about) {
  const name = plain(readName(text(about.name))), parts = [word[about.kind] || plain(about.kind), size(number(about.bytes))];
  const seconds = number(about.media && about.media.duration_usec) / 1e6;
  const pages = number((about.decoded || {}).pages);
  if (seconds) parts.push(lengthText(seconds));
  if (pages) parts.push(say(pages === 1 ? "onepage" : "npages", pages));
  if (about.place && about.place.started) parts.push(moment(number(about.place.started.value), about.zone));
  document.title = `${name} · 留痕`;
  by("name").textContent = name;
  by("about").textContent = parts.join(" · ");
  by("foot").textContent = `${viewable(about) ? word.notorig + word.space : ""}${say("viewer", plain(about.viewer))}`;
}

async function show(about) {
  const before = state.shown, names = filesLike(about, /./).map((f) => f.name).join(" "), others = names !== state.names;
  state.names = names;
  state.about = about;
  showHead(about);
  showNotes(about);
  showStage(about);
  showFacts(about);
  if (others || state.shown !== before || !by("links").children.length) showFiles(about);
  if (state.player && (others || state.shown !== before)) await showLine(about);
}

async function refresh() {
  let again = POLL_MSEC;
  try {
    const answer = await fetch("about.json", { cache: "no-store" });
    if (answer.ok) {
      const about = await answer.json();
      await show(about);
      if (!about.derived.more && !["waiting", "running"].includes(about.derived.state)) again = 0;
    } else if ([403, 404, 410].includes(answer.status)) {
      location.reload(); // the page that says what is wrong with the address
      again = 0;
    }
  } catch (error) {
    by("notes").replaceChildren();
    note("away", [], true);
    console.warn(error);
  }
  if (again) setTimeout(refresh, again);
}

for (const e of document.querySelectorAll("[data-word]")) e.textContent = word[e.dataset.word];
by("bar").addEventListener("pointermove", onPointer);
by("bar").addEventListener("pointerdown", (event) => { onPointer(event); by("bar").setPointerCapture(event.pointerId); });
by("bar").addEventListener("pointerleave", hidePreview);
document.addEventListener("keydown", onKey);
window.addEventListener("resize", () => {
  hidePreview();
  if (state.peaks.length) drawWave(state.peaks);
});
refresh();
