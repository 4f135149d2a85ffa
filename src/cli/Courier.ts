/**
 * Takes an errand to the daemon of the home, and prints what came of it. Stands before the program:
 * where there is no such daemon, or it does not answer, the program is loaded as if this were not here.
 * So it needs nothing but Node, and knows of the daemon's protocol (Effect RPC, one JSON text a line)
 * as much as this one question takes.
 */
import * as DaemonPlace from "../runtime/daemon/DaemonPlace.ts"
import * as Errand from "../runtime/daemon/Errand.ts"
import * as HomePlace from "./HomePlace.ts"
import * as Unwritten from "./Unwritten.ts"
import { VERSION } from "./Version.ts"

/** Time for a daemon to take the connection and say who it is, in ms; as `DaemonCalls.PROBE_MAX_MS`. */
const PROBE_MAX_MS = 300

/** How often a daemon that owes an answer is asked whether it is there, and how long it may say nothing, in ms. */
const PING_MS = 1_000
const SILENCE_MAX_MS = 5_000

/** The longest line of an answer, in characters: both texts, every character escaped. */
const LINE_MAX_CHARS = 2 * 6 * Errand.OUTPUT_MAX_CHARS + 1024

/** Spoken by both ends, or the daemon is left alone; as `DhtRpc.PROTOCOL_VERSION`. */
const PROTOCOL_VERSION = 1

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

/** The value that a call succeeded with; `undefined` for any other message. */
const valueOf = (message: unknown, id: string): unknown => {
  if (!isObject(message) || message["_tag"] !== "Exit" || String(message["requestId"]) !== id) return undefined
  const exit = message["exit"]
  return isObject(exit) && exit["_tag"] === "Success" ? exit["value"] : undefined
}

const doneOf = (value: unknown): Errand.Done | undefined => {
  if (!isObject(value)) return undefined
  const { code, stderr, stdout } = value
  return Number.isInteger(code) && typeof code === "number" && typeof stdout === "string" && typeof stderr === "string"
    ? { code, stdout, stderr }
    : undefined
}

const request = (id: string, tag: string, payload: object): string =>
  `${JSON.stringify({ _tag: "Request", id, tag, payload })}\n`

/** What the daemon answers; `undefined` where it does not, or will not. */
const ask = (path: string, home: string, args: ReadonlyArray<string>): Promise<Errand.Done | undefined> =>
  new Promise((resolve) => {
    // Loaded by those alone who have an errand.
    const socket = process.getBuiltinModule("node:net").connect({ path })
    let heardAt = performance.now()
    let isKnown = false
    let text = ""
    const end = (done?: Errand.Done): void => {
      clearTimeout(probe)
      clearInterval(ping)
      socket.destroy()
      resolve(done)
    }
    const probe = setTimeout(() => (isKnown ? undefined : end()), PROBE_MAX_MS)
    const ping = setInterval(() => {
      if (performance.now() - heardAt >= SILENCE_MAX_MS) end()
      else socket.write(`${JSON.stringify({ _tag: "Ping" })}\n`)
    }, PING_MS)
    socket.on("error", () => end())
    socket.on("close", () => end())
    socket.write(request("1", "hello", { protocol: PROTOCOL_VERSION }))
    socket.write(request("2", "errand", { version: VERSION, home, args }))
    socket.setEncoding("utf8").on("data", (more: string) => {
      heardAt = performance.now()
      text += more
      if (text.length > LINE_MAX_CHARS) return end()
      const lines = text.split("\n")
      text = lines.pop() ?? ""
      for (const line of lines) {
        try {
          const message: unknown = JSON.parse(line)
          if (valueOf(message, "1") !== undefined) isKnown = true
          else if (isObject(message) && message["_tag"] !== "Pong") return end(doneOf(valueOf(message, "2")))
        } catch {
          return end()
        }
      }
    })
  })

/**
 * Whether the command was run; if not it is still to be. A person who waits at a terminal sees what is going on only
 * where the program runs, so that nothing that may take long is left to this.
 */
export const deliver = async (argv: ReadonlyArray<string>): Promise<boolean> => {
  const order = Errand.orderOf(argv)
  if (order === undefined || process.env["LIBRESEED_DEBUG"] === "1") return false
  const home = HomePlace.homeOf(order.home)
  const place = DaemonPlace.placeOf(home)
  if (!DaemonPlace.isOurs(place)) return false
  const done = await ask(place.path, home, order.args)
  if (done === undefined) return false
  Unwritten.watch(order.args.includes("--json"))
  process.stderr.on("error", () => {})
  process.exitCode = done.code
  // What is told besides mostly came first.
  process.stderr.write(done.stderr)
  process.stdout.write(done.stdout)
  return true
}
