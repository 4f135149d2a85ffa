/**
 * The script of the timeline: draws the chosen part of a run, a lane for each host and rows for the
 * storage nodes, and says what is under the pointer. It draws what `TracePageScene` gives, and nothing else.
 */

/** Reads the scene: columns of numbers, lanes, and the ways from times and participants to places. */
const scene = String.raw`
  if ($("view") === null) return
  const scene = data("scene")
  const { length, hosts, marks } = scene
  const up = (steps) => { let sum = 0; return steps.map((step) => (sum += step)) }
  const T = Float64Array.from(up(marks.times)), K = marks.kinds, F = marks.from, O = marks.to, size = T.length
  const D = new Float64Array(size)
  let next = 0, slowest = 0
  for (let i = 0; i < size; i++) if (K[i] === "0" || K[i] === "2") slowest = Math.max(slowest, (D[i] = marks.delays[next++]))
  const numberOf = (place) => {
    let at = 0
    while (at + 2 < marks.jumps.length && marks.jumps[at + 2] <= place) at += 2
    return marks.jumps[at + 1] + place - marks.jumps[at]
  }
  const nodes = up(scene.nodes), hostile = up(scene.hostile), H = hosts.length, N = nodes.length, X = hostile.length
  const nameOf = (who) => (who < 0 ? "nobody" : who < H ? hosts[who] : who < H + N ? "n" + nodes[who - H] : "h" + hostile[who - H - N])
  const laneOf = (who) => {
    if (who < H) return who
    if (who < H + N) return H + Math.floor(((who - H) * scene.nodeRows) / N)
    return H + scene.nodeRows + Math.floor(((who - H - N) * scene.hostileRows) / X)
  }
  const lanes = H + scene.nodeRows + scene.hostileRows
  // The first mark at or after a time.
  const firstAt = (ms) => { let low = 0, high = size; while (low < high) { const mid = (low + high) >> 1; if (T[mid] < ms) low = mid + 1; else high = mid } return low }
`

/** Sizes of everything, top down. */
const places = String.raw`
  const canvas = $("canvas"), view = $("view"), pen = canvas.getContext("2d")
  const AXIS = 20, PLAN = 15, HOST = H > 12 ? 24 : 34, NODE = scene.nodeRows > 24 ? 5 : scene.nodeRows > 10 ? 8 : 14, GAP = 8, DETAIL = 1500, COLUMN = 3
  const planRows = scene.plan.map((items) => items.reduce((most, item) => Math.max(most, item.row + 1), 0))
  const planTop = []
  let top = AXIS
  planRows.forEach((rows) => { planTop.push(top); top += rows * PLAN + (rows > 0 ? 5 : 0) })
  const hostTop = top + 2
  const nodeTop = hostTop + H * HOST + GAP
  const hostileTop = nodeTop + scene.nodeRows * NODE + (scene.hostileRows > 0 ? GAP : 0)
  const HEIGHT = hostileTop + scene.hostileRows * NODE + GAP
  const topOf = (lane) => (lane < H ? hostTop + lane * HOST : lane < H + scene.nodeRows ? nodeTop + (lane - H) * NODE : hostileTop + (lane - H - scene.nodeRows) * NODE)
  const middleOf = (lane) => topOf(lane) + (lane < H ? HOST : NODE) / 2
  let width = 0, left = 0, a = 0, b = length, isDetailed = false, pending = false, wasCounted = false, tellSpan = () => {}
  const xOf = (ms) => left + ((ms - a) / (b - a)) * (width - left)
  const msAt = (x) => a + ((x - left) / Math.max(1, width - left)) * (b - a)
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim()
`

const draw = String.raw`
  const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 432e6, 864e6, 1728e6, 432e7, 864e7, 3456e7]
  const count = () => {
    const columns = Math.max(1, Math.ceil((width - left) / COLUMN)), per = (b - a) / columns
    const fresh = () => Array.from({ length: lanes }, () => new Float64Array(columns))
    const sum = { columns, per, sent: fresh(), received: fresh(), lost: fresh() }
    const add = (counts, who, ms) => {
      const column = Math.floor((ms - a) / per)
      if (who >= 0 && column >= 0 && column < columns) counts[laneOf(who)][column]++
    }
    for (let i = firstAt(a - slowest); i < size && T[i] <= b; i++) {
      if (K[i] > "2") continue
      add(sum.sent, F[i], T[i])
      if (K[i] === "1") add(sum.lost, F[i], T[i])
      else add(sum.received, O[i], T[i] + D[i])
    }
    if (scene.counts === undefined) return sum
    for (const name of ["sent", "received", "lost"]) scene.counts[name].forEach((lane, at) => {
      if (lane === 0) return
      const bucket = length / lane.length
      for (let i = Math.max(0, Math.floor(a / bucket)); i < lane.length && i * bucket < b; i++) {
        if (lane[i] === 0) continue
        const from = clamp(Math.floor((i * bucket - a) / per), 0, columns - 1), to = clamp(Math.ceil(((i + 1) * bucket - a) / per), from + 1, columns)
        for (let column = from; column < to; column++) sum[name][at][column] += (lane[i] * per) / bucket
      }
    })
    return sum
  }
  const most = (counts, from, to) => { let top = 0; for (let lane = from; lane < to; lane++) for (const value of counts[lane]) top = Math.max(top, value); return Math.max(1, top) }
  const label = (text, y, strong) => {
    pen.fillStyle = color(strong ? "ink" : "quiet")
    pen.textAlign = "right"
    let short = text
    while (short.length > 1 && pen.measureText(short).width > left - 10) short = short.slice(0, -2) + "…"
    pen.fillText(short, left - 8, y)
    pen.textAlign = "left"
  }
  const axis = () => {
    const step = STEPS.find((step) => ((width - left) * step) / (b - a) >= 92) ?? b - a
    pen.textAlign = "center"
    for (let ms = Math.ceil(a / step) * step; ms <= b; ms += step) {
      pen.fillStyle = color("line")
      pen.fillRect(Math.round(xOf(ms)), AXIS - 3, 1, HEIGHT - AXIS)
      const text = clock(ms, step >= 1000), half = pen.measureText(text).width / 2
      pen.fillStyle = color("quiet")
      pen.fillText(text, clamp(xOf(ms), left + half, width - half), 9)
    }
    pen.textAlign = "left"
  }
  const plan = () => scene.plan.forEach((items, kind) => {
    if (items.length === 0) return
    label(["faults", "steps", "goals"][kind], planTop[kind] + PLAN / 2, false)
    items.forEach((item, at) => {
      if (item.from > b) return
      const y = planTop[kind] + item.row * PLAN, x = Math.max(left, xOf(item.from)), end = Math.min(width, xOf(item.to))
      if (xOf(item.to) < left - 400) return
      pen.fillStyle = color(["fault", "step", "goal"][kind])
      pen.globalAlpha = 0.1
      if (kind === 0 && end > left) pen.fillRect(x, y, Math.max(1, end - x), HEIGHT - y)
      pen.globalAlpha = 0.35
      if (end > left) pen.fillRect(x, y + 1, Math.max(2, end - x), PLAN - 3)
      pen.globalAlpha = 1
      if (xOf(item.from) >= left) pen.fillRect(x, y + 1, 2, PLAN - 3)
      const next = items.slice(at + 1).find((other) => other.row === item.row)
      const until = next === undefined ? width : Math.min(width, xOf(next.from) - 4)
      const text = (kind === 2 ? "" : item.id + " ") + item.title, wide = pen.measureText(text).width + 6
      const isBefore = next === undefined && x + wide > width && xOf(item.from) > left + wide
      pen.save()
      pen.beginPath()
      pen.rect(isBefore ? left : x, y, Math.max(0, until - (isBefore ? left : x)), PLAN)
      pen.clip()
      pen.fillStyle = color("ink")
      pen.fillText(text, isBefore ? x - wide : x + 5, y + PLAN / 2)
      pen.restore()
    })
  })
  const hostLane = (lane, sum, top, isBars) => {
    const middle = middleOf(lane), reach = HOST / 2 - 3
    label(hosts[lane], middle, true)
    pen.fillStyle = color("line")
    pen.fillRect(left, Math.round(middle), width - left, 1)
    if (!isBars) return
    for (let column = 0; column < sum.columns; column++) {
      const x = left + column * COLUMN, out = sum.sent[lane][column], back = sum.received[lane][column], gone = sum.lost[lane][column]
      const tall = (value) => (value <= 0 ? 0 : Math.max(2, reach * Math.sqrt(value / top)))
      pen.fillStyle = color("sent")
      if (out > 0) pen.fillRect(x, middle - tall(out), COLUMN - 0.5, tall(out))
      pen.fillStyle = color("lost")
      const red = gone <= 0 ? 0 : Math.max(1, tall(out) * Math.min(1, gone / out))
      if (gone > 0) pen.fillRect(x, middle - red, COLUMN - 0.5, red)
      pen.fillStyle = color("received")
      if (back > 0) pen.fillRect(x, middle + 1, COLUMN - 0.5, tall(back))
    }
  }
  const nodeLane = (lane, sum, top) => {
    const y = topOf(lane), isHostile = lane >= H + scene.nodeRows
    pen.fillStyle = color(isHostile ? "lost" : "node")
    for (let column = 0; column < sum.columns; column++) {
      const value = sum.sent[lane][column] + sum.received[lane][column]
      if (value <= 0) continue
      pen.globalAlpha = 0.15 + 0.85 * Math.sqrt(Math.min(1, value / top))
      pen.fillRect(left + column * COLUMN, y, COLUMN, NODE - 0.5)
    }
    pen.globalAlpha = 1
  }
  const nodeLabels = () => {
    const every = Math.max(1, Math.ceil(13 / NODE))
    for (let row = 0; row < scene.nodeRows; row += every) {
      if (row > 0 && row + every > scene.nodeRows && scene.nodeRows % every !== 0) continue
      label(nameOf(H + Math.ceil((row * N) / scene.nodeRows)), nodeTop + row * NODE + NODE / 2 + (NODE < 10 ? 3 : 0), false)
    }
    if (scene.hostileRows > 0) label("besiegers", hostileTop + Math.min(6, (scene.hostileRows * NODE) / 2), false)
  }
  const arrows = (from, to) => {
    pen.lineWidth = 1.25
    for (let i = from; i < to; i++) {
      if (K[i] > "2" || F[i] < 0) continue
      const x = xOf(T[i]), y = middleOf(laneOf(F[i])), isLost = K[i] === "1"
      const far = O[i] < 0 ? y + 14 : middleOf(laneOf(O[i]))
      const x2 = isLost ? x : xOf(T[i] + D[i]), y2 = isLost ? y + (far - y) * 0.55 : far
      if (Math.max(x, x2) < left || Math.min(x, x2) > width) continue
      pen.strokeStyle = color(isLost ? "lost" : F[i] < H ? "sent" : "received")
      pen.globalAlpha = to - from > 300 ? 0.45 : 0.8
      pen.setLineDash(K[i] === "2" ? [3, 3] : [])
      pen.beginPath()
      pen.moveTo(x, y)
      pen.lineTo(x2, y2)
      if (isLost) { pen.moveTo(x - 3, y2 - 3); pen.lineTo(x + 3, y2 + 3); pen.moveTo(x + 3, y2 - 3); pen.lineTo(x - 3, y2 + 3) }
      pen.stroke()
      pen.globalAlpha = 1
      pen.fillStyle = pen.strokeStyle
      if (!isLost) { pen.beginPath(); pen.arc(x2, y2, 2, 0, 7); pen.fill() }
    }
    pen.setLineDash([])
  }
  const events = () => {
    let column = []
    for (let i = firstAt(a); i < size && T[i] <= b; i++) {
      if (K[i] < "3" || F[i] < 0) continue
      const lane = laneOf(F[i]), x = xOf(T[i]), slot = lane * 8 + Number(K[i])
      // One mark for all that would cover each other.
      if (column[slot] !== undefined && x - column[slot] < 2) continue
      column[slot] = x
      if (lane >= H && K[i] !== "5" && K[i] !== "6") continue
      const y = topOf(lane) + (lane < H ? HOST : NODE), size = lane < H ? 5 : 3
      pen.fillStyle = color(K[i] === "5" ? "lost" : K[i] === "6" ? "goal" : K[i] === "4" ? "ink" : "step")
      pen.beginPath()
      if (K[i] === "4") pen.rect(x - 1.5, y - 6, 4, 4)
      else if (K[i] === "5") { pen.moveTo(x - size, topOf(lane)); pen.lineTo(x + size, topOf(lane)); pen.lineTo(x, topOf(lane) + size * 1.6) }
      else { pen.moveTo(x - size, y); pen.lineTo(x + size, y); pen.lineTo(x, y - size * 1.6) }
      pen.fill()
    }
  }
  const draw = () => {
    pending = false
    const ratio = Math.min(3, window.devicePixelRatio || 1)
    width = canvas.clientWidth
    left = width < 600 ? 62 : 108
    canvas.width = Math.max(1, Math.round(width * ratio))
    canvas.height = Math.round(HEIGHT * ratio)
    pen.setTransform(ratio, 0, 0, ratio, 0, 0)
    pen.direction = "ltr"
    pen.font = "11px " + color("mono")
    pen.textBaseline = "middle"
    const sum = count(), from = firstAt(a - slowest), to = firstAt(b + 0.5)
    const isCounted = scene.counts !== undefined && scene.counts.sent.some((lane) => lane !== 0 && lane.some((value, i) => value > 0 && ((i + 1) * length) / lane.length > a && (i * length) / lane.length < b))
    if (isCounted !== wasCounted) { wasCounted = isCounted; tellSpan() }
    isDetailed = !isCounted && to - from <= DETAIL
    axis()
    plan()
    const busiest = Math.max(most(sum.sent, 0, H), most(sum.received, 0, H)), hottest = most(sum.received, H, lanes) + most(sum.sent, H, lanes)
    for (let lane = 0; lane < H; lane++) hostLane(lane, sum, busiest, !isDetailed)
    pen.globalAlpha = 1
    for (let lane = H; lane < lanes; lane++) nodeLane(lane, sum, hottest)
    nodeLabels()
    pen.save()
    pen.beginPath()
    pen.rect(left, 0, width - left, HEIGHT)
    pen.clip()
    if (isDetailed) arrows(from, to)
    events()
    if (scene.finding !== undefined) {
      pen.fillStyle = color("finding")
      pen.fillRect(clamp(xOf(scene.finding.at), left - 9, width + 9) - 1.5, AXIS - 4, 2.5, HEIGHT)
    }
    pen.restore()
  }
  const redraw = () => { if (!pending) { pending = true; requestAnimationFrame(() => part(draw)) } }
`

/** The scene and how it is drawn; `TracePageView` goes on from here, in the same scope. */
export const canvas = `${scene}${places}${draw}`
