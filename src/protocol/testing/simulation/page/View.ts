/**
 * The script of the timeline, second half: which part of the run is shown, chosen by pointer or keys, and
 * what is said about the place under the pointer.
 */
import { canvas } from "./Canvas.ts"

const move = String.raw`
  const LEAST = Math.min(length, 4), zoom = $("zoom"), span = $("span"), selected = $("window"), overview = $("overview").querySelector("svg")
  const stretch = scene.counts === undefined ? 0 : length / scene.counts.stretches
  tellSpan = () => { span.textContent = clock(a) + " – " + clock(b) + " (" + lasting(b - a) + ")" + (wasCounted ? ", counted in stretches of " + lasting(stretch) : "") }
  const go = (from, to) => {
    const wide = clamp(to - from, LEAST, length), start = clamp(from, 0, length - wide)
    a = start
    b = start + wide
    page.from = a === 0 ? 0 : a
    page.to = b
    zoom.value = String(length <= LEAST ? 0 : Math.round((1000 * Math.log(length / wide)) / Math.log(length / LEAST)))
    zoom.setAttribute("aria-valuetext", lasting(wide))
    tellSpan()
    selected.setAttribute("x", (100 * a) / length + "%")
    selected.setAttribute("width", Math.max(0.15, (100 * wide) / length) + "%")
    selected.classList.toggle("on", wide < length)
    page.onView()
    redraw()
  }
  const scale = (factor, around) => { const at = around ?? (a + b) / 2; go(at - (at - a) * factor, at + (b - at) * factor) }
  const shift = (share) => go(a + (b - a) * share, b + (b - a) * share)
  page.show = (from, to) => {
    if (to !== undefined && to > from) return go(from - (to - from) * 0.15, to + (to - from) * 0.15)
    const wide = Math.min(b - a, Math.max(4000, length / 200))
    go(from - wide / 2, from + wide / 2)
  }
  const on = (id, run) => $(id)?.addEventListener("click", run)
  on("whole", () => go(0, length))
  on("out", () => scale(2))
  on("in", () => scale(0.5))
  on("back", () => shift(-0.5))
  on("forth", () => shift(0.5))
  on("to-finding", () => { const at = scene.finding.at, wide = Math.min(length, 4000); go(at - wide * 0.8, at + wide * 0.2); page.find(at) })
  zoom.addEventListener("input", () => { const wide = length * (LEAST / length) ** (Number(zoom.value) / 1000), at = (a + b) / 2; go(at - wide / 2, at + wide / 2) })
  const drag = (place, begin, go, end) => {
    let from
    place.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return
      from = event.clientX
      place.setPointerCapture(event.pointerId)
      begin(event)
    })
    place.addEventListener("pointermove", (event) => { if (from !== undefined) go(event, from) })
    const stop = (event) => { if (from !== undefined) end(event, from); from = undefined }
    place.addEventListener("pointerup", stop)
    place.addEventListener("pointercancel", () => { from = undefined })
  }
  const msOver = (x) => { const box = overview.getBoundingClientRect(); return clamp((x - box.left) / Math.max(1, box.width), 0, 1) * length }
  drag(overview, () => {}, (event, from) => {
    if (Math.abs(event.clientX - from) > 3) go(Math.min(msOver(from), msOver(event.clientX)), Math.max(msOver(from), msOver(event.clientX)))
  }, (event, from) => {
    const wide = b - a, at = msOver(event.clientX)
    if (Math.abs(event.clientX - from) <= 3) go(at - wide / 2, at + wide / 2)
  })
  let before = [0, 0]
  drag(canvas, () => { before = [a, b]; tip("") }, (event, from) => {
    const by = ((from - event.clientX) / Math.max(1, width - left)) * (before[1] - before[0])
    if (Math.abs(event.clientX - from) > 3) go(before[0] + by, before[1] + by)
  }, (event, from) => {
    if (Math.abs(event.clientX - from) <= 3) page.find(msAt(event.clientX - canvas.getBoundingClientRect().left) - (b - a) / 500)
  })
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return
    event.preventDefault()
    scale(event.deltaY > 0 ? 1.3 : 1 / 1.3, msAt(event.clientX - canvas.getBoundingClientRect().left))
  }, { passive: false })
  canvas.addEventListener("keydown", (event) => {
    const act = { ArrowLeft: () => shift(-0.2), ArrowRight: () => shift(0.2), "+": () => scale(0.5), "=": () => scale(0.5), "-": () => scale(2), Home: () => go(0, length), Enter: () => page.find(a) }[event.key]
    if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    act()
  })
`

const point = String.raw`
  const away = (x, y, x1, y1, x2, y2) => {
    const long = (x2 - x1) ** 2 + (y2 - y1) ** 2, at = long === 0 ? 0 : clamp(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / long, 0, 1)
    return Math.hypot(x - x1 - at * (x2 - x1), y - y1 - at * (y2 - y1))
  }
  const lineAt = (i) => clock(T[i]) + " " + (page.textOf?.(numberOf(i)) || nameOf(F[i]) + (K[i] === "1" ? " -x " : " -> ") + nameOf(O[i]))
  const nearest = (x, y) => {
    let best = -1, least = 7
    for (let i = firstAt(Math.min(msAt(x - 8) - slowest, msAt(x - 8))); i < size && T[i] <= msAt(x + 8); i++) {
      if (F[i] < 0) continue
      const lane = laneOf(F[i]), y1 = middleOf(lane), x1 = xOf(T[i])
      let far
      if (K[i] > "2") far = Math.abs(x - x1) + (Math.abs(y - y1) < (lane < H ? HOST : NODE) / 2 ? 0 : 99)
      else {
        const y2 = O[i] < 0 ? y1 + 14 : middleOf(laneOf(O[i]))
        far = K[i] === "1" ? away(x, y, x1, y1, x1, y1 + (y2 - y1) * 0.55) : away(x, y, x1, y1, xOf(T[i] + D[i]), y2)
      }
      if (far < least) { least = far; best = i }
    }
    return best
  }
  const laneAt = (y) => { for (let lane = 0; lane < lanes; lane++) if (y >= topOf(lane) && y < topOf(lane) + (lane < H ? HOST : NODE)) return lane; return -1 }
  const range = (lane) => {
    if (lane < H) return hosts[lane]
    const isHostile = lane >= H + scene.nodeRows, row = lane - H - (isHostile ? scene.nodeRows : 0)
    const rows = isHostile ? scene.hostileRows : scene.nodeRows, all = isHostile ? X : N, base = isHostile ? H + N : H
    const first = Math.ceil((row * all) / rows), last = Math.ceil(((row + 1) * all) / rows) - 1
    return nameOf(base + first) + (last > first ? " – " + nameOf(base + last) : "")
  }
  const about = (x, y) => {
    for (let kind = 0; kind < 3; kind++) for (const item of scene.plan[kind]) {
      const top = planTop[kind] + item.row * PLAN
      if (y < top || y >= top + PLAN || x < xOf(item.from) - 3 || x > Math.max(xOf(item.to), xOf(item.from) + 12)) continue
      const when = item.to > item.from ? clock(item.from) + " – " + clock(item.to) + " (" + lasting(item.to - item.from) + ")" : clock(item.from)
      return item.id + " " + item.title + "\n" + when + (item.outcome === undefined ? "" : "\n" + item.outcome)
    }
    if (scene.finding !== undefined && Math.abs(x - xOf(scene.finding.at)) < 3) return clock(scene.finding.at) + "\n" + scene.finding.text
    const i = isDetailed ? nearest(x, y) : -1
    if (i >= 0) return lineAt(i)
    const lane = laneAt(y)
    if (lane < 0) return ""
    const from = Math.max(a, msAt(x - 4)), to = Math.min(b, msAt(x + 4)), tally = [0, 0, 0, 0], first = []
    for (let i = firstAt(from - slowest); i < size && T[i] <= to; i++) {
      const isOut = F[i] >= 0 && laneOf(F[i]) === lane && T[i] >= from
      const isIn = K[i] !== "1" && K[i] < "3" && O[i] >= 0 && laneOf(O[i]) === lane && T[i] + D[i] >= from && T[i] + D[i] <= to
      if (isOut && K[i] < "3") tally[0]++
      if (isIn) tally[1]++
      if (isOut && K[i] === "1") tally[2]++
      if (isOut && K[i] === "4") tally[3]++
      if ((isOut || isIn) && (K[i] > "2" || first.length < 3) && first.length < 6) first.push(lineAt(i))
    }
    const counted = [0, 0, 0]
    if (scene.counts !== undefined) [scene.counts.sent, scene.counts.received, scene.counts.lost].forEach((counts, at) => {
      const own = counts[lane]
      if (own !== 0) counted[at] = own[clamp(Math.floor(msAt(x) / stretch), 0, own.length - 1)]
    })
    const more = counted[0] + counted[1] === 0 ? "" : "\nin these " + lasting(stretch) + ": " + counted[0] + " sent, " + counted[1] + " received, " + counted[2] + " lost"
    if (more !== "" && tally[0] + tally[1] + tally[3] === 0) return range(lane) + ", " + clock(Math.floor(msAt(x) / stretch) * stretch) + " and on" + more
    const words = [tally[0] + " sent", tally[1] + " received", tally[2] + " lost"].concat(tally[3] > 0 ? [tally[3] + " written"] : []).join(", ")
    return range(lane) + ", " + clock(from) + " – " + clock(to) + "\n" + words + more + (first.length > 0 ? "\n" + first.join("\n") : "")
  }
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons !== 0) return
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left
    tip(x < left ? "" : about(x, event.clientY - box.top), event.clientX, event.clientY)
  })
  canvas.addEventListener("pointerleave", () => tip(""))
  view.hidden = false
  canvas.style.height = HEIGHT + "px"
  window.addEventListener("resize", redraw)
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw)
  go(0, length)
`

/** The timeline; needs `shared` of the page's script. */
export const timeline = `part(() => {${canvas}${move}${point}})\n`
