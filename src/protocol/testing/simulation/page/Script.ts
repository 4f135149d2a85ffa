/**
 * The script of the trace page but for the timeline: the filter of the trace and the details under the
 * pointer on the map of holders. Each part stands alone, so that one that fails takes no other with it. Texts
 * get into the page as text only, never as markup.
 */

/** What all parts share: `part`, `$`, `tip`, `clock`, `data`. Goes first. */
export const shared = String.raw`
const $ = (id) => document.getElementById(id)
const part = (run) => { try { run() } catch (error) { setTimeout(() => { throw error }) } }
const data = (id) => { const place = $(id); return place === null ? undefined : JSON.parse(place.textContent) }
const clamp = (value, least, most) => Math.min(Math.max(value, least), most)
const two = (value) => String(value).padStart(2, "0")
const clock = (ms, short) => {
  const whole = Math.max(0, Math.round(ms)), seconds = Math.floor(whole / 1000), days = Math.floor(seconds / 86400)
  const text = two(Math.floor(seconds / 3600) % 24) + ":" + two(Math.floor(seconds / 60) % 60) + ":" + two(seconds % 60)
  return (days === 0 ? "" : days + "d ") + text + (short ? "" : "." + String(whole % 1000).padStart(3, "0"))
}
const lasting = (ms) => {
  if (ms < 1000) return Math.round(ms) + " ms"
  for (const [name, unit] of [["d", 864e5], ["h", 36e5], ["min", 6e4]]) if (ms >= unit) return Number((ms / unit).toFixed(1)) + " " + name
  return Number((ms / 1000).toFixed(1)) + " s"
}
const grouped = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",")
const tip = (text, x, y) => {
  const box = $("tip")
  box.hidden = text === ""
  if (text === "") return
  box.textContent = text
  const wide = document.documentElement.clientWidth, high = document.documentElement.clientHeight
  box.style.left = clamp(x + 14, 4, Math.max(4, wide - box.offsetWidth - 4)) + "px"
  box.style.top = (y + 18 + box.offsetHeight > high ? Math.max(4, y - box.offsetHeight - 10) : y + 18) + "px"
}
document.addEventListener("keydown", (event) => { if (event.key === "Escape") tip("") })
document.addEventListener("scroll", () => tip(""), { passive: true })
// What the timeline shows, for the trace, and what of the trace was chosen, for the timeline.
const page = { from: 0, to: Infinity, onView: () => {}, show: () => {}, find: () => {} }
`

/** Shows the lines that have all words of the filter, of the kinds that are on, at the time that the timeline shows. */
export const filter = String.raw`
part(() => {
  if ($("lines") === null) return
  const region = $("lines"), words = $("words"), shown = $("shown"), inView = $("in-view")
  const lines = [...region.querySelectorAll("p[data-n]")], gaps = [...region.querySelectorAll("p.gap")]
  const blocks = [...region.querySelectorAll(".block")]
  const kinds = [...document.querySelectorAll("input[name=kind]")]
  const group = { sent: "messages", twice: "messages", lost: "lost", did: "work", note: "work", disk: "disk", fault: "faults", heal: "faults", broke: "broke" }
  let texts
  const msOf = (text) => {
    const [, days, h, m, s, ms] = /^(?:(\d+)d )?(\d+):(\d+):(\d+)\.(\d+)/.exec(text) ?? []
    return ms === undefined ? 0 : (((Number(days ?? 0) * 24 + Number(h)) * 60 + Number(m)) * 60 + Number(s)) * 1000 + Number(ms)
  }
  const times = lines.map((line) => msOf(line.firstChild?.textContent ?? ""))
  const apply = () => {
    texts ??= lines.map((line) => line.textContent.toLowerCase())
    const wanted = words.value.toLowerCase().split(/\s+/).filter((word) => word !== "")
    const on = new Set(kinds.filter((kind) => kind.checked).map((kind) => kind.value)).add("broke")
    const only = inView !== null && inView.checked
    let count = 0
    lines.forEach((line, at) => {
      const isIn = on.has(group[line.className]) && (!only || (times[at] >= page.from && times[at] <= page.to)) && wanted.every((word) => texts[at].includes(word))
      if (isIn) count++
      if (line.hidden === isIn) line.hidden = !isIn
    })
    const isAll = count === lines.length
    for (const gap of gaps) gap.hidden = !isAll
    for (const block of blocks) {
      const rows = isAll ? block.childElementCount : block.querySelectorAll("p:not([hidden])").length
      block.hidden = rows === 0
      block.style.containIntrinsicBlockSize = "auto " + rows * 19 + "px"
    }
    shown.textContent = isAll ? grouped(count) + " lines" : grouped(count) + " of " + grouped(lines.length) + " lines"
  }
  let timer
  const later = () => { clearTimeout(timer); timer = setTimeout(() => part(apply), 120) }
  words.addEventListener("input", later)
  for (const kind of kinds) kind.addEventListener("change", later)
  inView?.addEventListener("change", later)
  page.onView = () => { if (inView?.checked) later() }
  let current
  const mark = (line) => {
    current?.classList.remove("current")
    current = line
    line.classList.add("current")
  }
  region.addEventListener("click", (event) => {
    const line = event.target.closest?.("p[data-n]")
    if (line === null || line === undefined || !getSelection().isCollapsed) return
    mark(line)
    page.show(times[lines.indexOf(line)])
  })
  page.textOf = (number) => {
    const line = region.querySelector('p[data-n="' + Number(number) + '"]')
    return line === null ? "" : line.lastChild.textContent.replace(/\s+/g, " ").trim()
  }
  page.find = (ms) => {
    let low = 0, high = lines.length
    while (low < high) { const mid = (low + high) >> 1; if (times[mid] < ms) low = mid + 1; else high = mid }
    while (low < lines.length && lines[low].hidden) low++
    const line = lines[Math.min(low, lines.length - 1)]
    if (line === undefined) return
    mark(line)
    const to = () => { region.scrollTop += line.getBoundingClientRect().top - region.getBoundingClientRect().top - region.clientHeight / 3 }
    to()
    requestAnimationFrame(to)
  }
  $("filters").hidden = false
  for (const button of document.querySelectorAll("button[data-at]")) {
    button.addEventListener("click", () => { page.show(Number(button.dataset.at), Number(button.dataset.to)); page.find(Number(button.dataset.at)) })
  }
  if (region.querySelector("p.broke") !== null) region.scrollTop = region.scrollHeight
})
`

/** Names the holders of a cell of the map, under the pointer or the keys. */
export const holders = String.raw`
part(() => {
  const all = data("holdings-data")
  if (all === undefined) return
  const map = $("map"), cell = $("cell"), readout = $("holders"), times = all.times, length = Math.max(1, all.length)
  readout.hidden = false
  const idle = "Point at a cell, or go there with the arrow keys, to see who holds the record."
  readout.textContent = idle
  let row = 0, look = -1
  const end = (at) => (at + 1 < times.length ? times[at + 1] : length)
  const sentence = () => {
    const { target, holders, newest, behind, spans } = all.rows[row]
    const groups = new Map()
    for (let i = 0; i < spans.length; i += 4) {
      if (spans[i + 2] > look || spans[i + 3] < look) continue
      if (!groups.has(spans[i + 1])) groups.set(spans[i + 1], [])
      groups.get(spans[i + 1]).push(all.names[spans[i]])
    }
    const seqs = [...groups.keys()].sort((a, b) => b - a)
    const count = holders[look]
    const named = seqs.map((seq) => (seq < 0 ? "" : "seq " + seq + ": ") + groups.get(seq).join(" ")).join("\n")
    const late = behind === 0 || behind[look] === 0 ? "" : ", " + behind[look] + " of them behind"
    const head = target + "\nat " + clock(times[look]) + ": " + (count === 0 ? "nobody holds it" : count + (count === 1 ? " holder" : " holders") + (newest[look] < 0 ? "" : ", newest seq " + newest[look]) + late)
    return head + (named === "" ? "" : "\n" + named) + (all.isCut && count > 0 ? "\n(not every holder is named: there are too many)" : "")
  }
  const show = () => {
    cell.setAttribute("y", String(row * all.rowPx))
    cell.setAttribute("x", (100 * times[look]) / length + "%")
    cell.setAttribute("width", Math.max(0.1, (100 * (end(look) - times[look])) / length) + "%")
    readout.textContent = sentence()
  }
  map.addEventListener("pointermove", (event) => {
    const box = map.getBoundingClientRect()
    const ms = ((event.clientX - box.left) / Math.max(1, box.width)) * length
    const at = Math.floor((event.clientY - box.top) / all.rowPx)
    if (at < 0 || at >= all.rows.length || ms < times[0]) return tip("")
    row = at
    look = times.length - 1
    while (look > 0 && times[look] > ms) look--
    show()
    tip(readout.textContent, event.clientX, event.clientY)
  })
  map.addEventListener("pointerleave", () => tip(""))
  map.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1e9], End: [0, 1e9] }[event.key]
    if (step === undefined) return
    event.preventDefault()
    row = clamp(row + step[0], 0, all.rows.length - 1)
    look = clamp((look < 0 ? 0 : look) + step[1], 0, times.length - 1)
    show()
  })
})
`
