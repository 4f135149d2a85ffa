/** The chart of the install bench: bars of milliseconds, as SVG that is readable on light and on dark pages. */
/** Medians in milliseconds. */
export interface Installs {
  readonly coldMs: number
  readonly npmColdMs: number
  readonly pnpmColdMs: number
  readonly warmMs: number
  readonly noopMs: number
}

interface Bar {
  readonly label: string
  readonly ms: number
  readonly isOurs: boolean
}

interface Group {
  readonly title: string
  readonly bars: ReadonlyArray<Bar>
}

/** All in pixels. */
const WIDTH = 720
const LEFT = 150
const RIGHT = 80
const BAR = 22
const GAP = 8
const TITLE = 34
const TOP = 64
const BOTTOM = 40

/** Distances between lines of the grid, in ms: the smallest that leaves few lines. */
const STEPS = [50, 100, 200, 500, 1000, 2000, 5000, 10_000]
const LINES_MAX = 6

const STYLE = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .group { font-weight: 600 }
  .soft { fill: #59636e; font-size: 12px }
  .value { font-variant-numeric: tabular-nums }
  .ours { fill: #1a7f5a }
  .theirs { fill: #9aa4af }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .soft { fill: #9198a1 }
    .ours { fill: #3fb984 }
    .theirs { fill: #656c76 }
    .grid { stroke: #3d444d }
  }`

const groupsOf = ({ coldMs, noopMs, npmColdMs, pnpmColdMs, warmMs }: Installs): ReadonlyArray<Group> => [
  {
    title: "Nothing is there yet but the lock file",
    bars: [
      { label: "ls-cli", ms: coldMs, isOurs: true },
      { label: "npm ci", ms: npmColdMs, isOurs: false },
      { label: "pnpm", ms: pnpmColdMs, isOurs: false }
    ]
  },
  { title: "Everything is in the store", bars: [{ label: "ls-cli", ms: warmMs, isOurs: true }] },
  { title: "Everything is installed already", bars: [{ label: "ls-cli", ms: noopMs, isOurs: true }] }
]

const text = (x: number, y: number, content: string, classes = "", anchor = "start"): string =>
  `<text x="${x}" y="${y}"${classes === "" ? "" : ` class="${classes}"`}${anchor === "start" ? "" : ` text-anchor="${anchor}"`}>${content}</text>`

/** The whole picture. */
export const render = (installs: Installs): string => {
  const groups = groupsOf(installs)
  const longest = Math.max(...groups.flatMap(({ bars }) => bars.map(({ ms }) => ms)))
  const step = STEPS.find((each) => longest / each <= LINES_MAX) ?? STEPS.at(-1)!
  const scale = (ms: number): number => Math.round((ms / longest) * (WIDTH - LEFT - RIGHT) * 10) / 10
  const parts: Array<string> = []
  let y = TOP
  for (const { bars, title } of groups) {
    parts.push(text(16, y + 20, title, "group"))
    y += TITLE
    for (const { isOurs, label, ms } of bars) {
      parts.push(text(LEFT - 10, y + 16, label, "", "end"))
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${Math.max(1, scale(ms))}" height="${BAR}" rx="3" class="${isOurs ? "ours" : "theirs"}"/>`
      )
      parts.push(text(LEFT + scale(ms) + 8, y + 16, `${ms} ms`, "value"))
      y += BAR + GAP
    }
  }
  const grid = Array.from({ length: Math.floor(longest / step) + 1 }, (_, i) => i * step).flatMap((ms) => [
    `<line x1="${LEFT + scale(ms)}" y1="${TOP}" x2="${LEFT + scale(ms)}" y2="${y}" class="grid"/>`,
    text(LEFT + scale(ms), y + 18, String(ms), "soft", "middle")
  ])
  const height = y + BOTTOM
  const summary = `ls-cli ${installs.coldMs} ms, npm ci ${installs.npmColdMs} ms, pnpm ${installs.pnpmColdMs} ms; warm ${installs.warmMs} ms, no-op ${installs.noopMs} ms`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Install of express: ${summary}">`,
    `<style>${STYLE}\n</style>`,
    text(16, 28, "Install of express and its dependencies, start of the command included", "title"),
    text(16, 48, "Milliseconds, medians, on loopback: ls-cli from two seeders, the others from a Verdaccio", "soft"),
    ...grid,
    ...parts,
    "</svg>",
    ""
  ].join("\n")
}
