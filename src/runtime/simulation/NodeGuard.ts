/**
 * Finds out what of Node a simulation uses that no seed can repeat: the disk, sockets, names, timers, child
 * processes, promises, real chance. It stands beside the pure guard, which sees only what every JavaScript
 * engine has.
 *
 * Whatever is asynchronous makes a resource that `node:async_hooks` tells of. Synchronous calls make none, so
 * those functions are replaced, once for a thread, by ones that tell while somebody watches.
 */
import * as AsyncHooks from "node:async_hooks"
import ChildProcess from "node:child_process"
import Crypto from "node:crypto"
import Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import Os from "node:os"

/** What people call the kinds of asynchronous resources; whatever is not here is real all the same. */
const KINDS: ReadonlyArray<readonly [RegExp, string]> = [
  [/^(FS|FILEHANDLE|DIRHANDLE|STATWATCHER)/, "the disk"],
  [/^(UDP)/, "a real UDP socket"],
  [/^(TCP|PIPE|TLS|HTTP|SHUTDOWNWRAP|WRITEWRAP|STREAM)/, "a real connection"],
  [/^(GETADDRINFO|GETNAMEINFO|DNS|QUERY|CARES)/, "a real name server"],
  [/^(Timeout|Immediate)$/, "a real timer"],
  [/^(PROCESSWRAP|SIGNALWRAP|WORKER|MESSAGEPORT)/, "a real process"],
  [/^PROMISE$/, "a promise"],
  [/^(TickObject|Microtask)$/, "a task outside of the simulation"],
  [/^(RANDOMBYTES)/, "real chance"]
]

/** What is no more than memory: where a fiber of Effect notes its context, and Node a signature that it makes at once. */
const HARMLESS = new Set(["effect/Fiber", "SIGNREQUEST", "VERIFYREQUEST", "HASHREQUEST"])

const kindOf = (type: string): string =>
  `${KINDS.find(([pattern]) => pattern.test(type))?.[1] ?? "something asynchronous"} (${type})`

/** Functions of Node's modules that do something real at once, without a resource. */
const places = (): ReadonlyArray<readonly [owner: object, name: string, what: string]> => {
  const synchronous = (owner: object, what: string) =>
    Object.keys(owner)
      .filter((name) => name.endsWith("Sync"))
      .map((name) => [owner, name, what] as const)
  return [
    ...synchronous(Fs, "the disk"),
    ...synchronous(ChildProcess, "a real process"),
    ...["randomBytes", "randomFillSync", "randomInt", "randomUUID", "getRandomValues", "generateKeyPairSync"].map(
      (name) => [Crypto, name, "real chance"] as const
    ),
    ...["hrtime", "uptime"].map((name) => [process, name, "the real time"] as const),
    ...["cpuUsage", "memoryUsage", "resourceUsage"].map(
      (name) => [process, name, "the load of this computer"] as const
    ),
    ...["cpus", "freemem", "hostname", "loadavg", "networkInterfaces", "totalmem", "uptime", "userInfo"].map(
      (name) => [Os, name, "this computer"] as const
    )
  ]
}

export class NodeGuard {
  #tell: ((what: string) => void) | undefined
  readonly #hook = AsyncHooks.createHook({
    init: (_id, type) => (HARMLESS.has(type) ? undefined : this.#tell?.(kindOf(type)))
  })

  private constructor() {}

  /** Puts the guard up, for good: for a thread that does nothing but simulate. */
  static install(): NodeGuard {
    const guard = new NodeGuard()
    for (const [owner, name, what] of places()) {
      const real: unknown = Reflect.get(owner, name)
      if (typeof real !== "function") continue
      Reflect.set(owner, name, guard.#watched(real, `${what} (${name})`))
    }
    syncBuiltinESMExports()
    return guard
  }

  /** The function, telling of its use, and what hangs on it likewise: `hrtime.bigint`, `realpathSync.native`. */
  #watched(real: Function, what: string): Function {
    const tell = () => this.#tell?.(what)
    const watched = function (this: unknown, ...args: ReadonlyArray<unknown>): unknown {
      tell()
      return Reflect.apply(real, this, args)
    }
    for (const [name, value] of Object.entries(real)) {
      Reflect.set(watched, name, typeof value === "function" ? this.#watched(value, what) : value)
    }
    return watched
  }

  /** Runs `run`, which is synchronous. `onUse` hears of everything real that it uses; the use itself goes through. */
  watch<A>(onUse: (what: string) => void, run: () => A): A {
    let isTelling = false
    this.#tell = (what) => {
      // What hears of it may itself do something of the kind.
      if (isTelling) return
      isTelling = true
      onUse(what)
      isTelling = false
    }
    this.#hook.enable()
    try {
      return run()
    } finally {
      this.#hook.disable()
      this.#tell = undefined
    }
  }
}
