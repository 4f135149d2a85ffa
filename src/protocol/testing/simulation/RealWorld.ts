/**
 * Keeps the real world out of a simulation. While the guard is up, whoever reads the real time, draws
 * real chance, sets a real timer, waits for a promise or opens a connection is found out: one seed could
 * not repeat that. The run is synchronous, so nobody else is affected.
 *
 * Not seen from here: functions that somebody took hold of before, a locale's idea of now, an async function that nobody
 * waits for, and synchronous reads of files. A runtime may watch those beside it; two runs of one seed show the rest.
 */

/** Where a forbidden thing is found: an object and the name of one of its functions. */
type Place = readonly [owner: object, name: string, what: string]

const places = (): ReadonlyArray<Place> => {
  const world = globalThis
  const found: Array<Place> = [
    [world, "setTimeout", "a real timer"],
    [world, "setInterval", "a real timer"],
    [world, "setImmediate", "a real timer"],
    [world, "queueMicrotask", "a task outside of the simulation"],
    [world, "fetch", "the real network"],
    [Math, "random", "real chance"],
    [Promise.prototype, "then", "a promise"]
  ]
  const performance: unknown = Reflect.get(world, "performance")
  if (typeof performance === "object" && performance !== null) found.push([performance, "now", "the real time"])
  const crypto: unknown = Reflect.get(world, "crypto")
  if (typeof crypto === "object" && crypto !== null) {
    found.push([crypto, "getRandomValues", "real chance"], [crypto, "randomUUID", "real chance"])
  }
  const process: unknown = Reflect.get(world, "process")
  if (typeof process === "object" && process !== null) {
    found.push([process, "nextTick", "a task outside of the simulation"], [process, "hrtime", "the real time"])
    const hrtime: unknown = Reflect.get(process, "hrtime")
    if (typeof hrtime === "function") found.push([hrtime, "bigint", "the real time"])
  }
  return found.filter(([owner, name]) => typeof Reflect.get(owner, name) === "function")
}

/** The time of day with every way to read it found out. */
const watchedDate = (real: DateConstructor, now: () => number, onUse: (what: string) => void): DateConstructor =>
  new Proxy(real, {
    construct: (target, args, newTarget) => {
      if (args.length > 0) return Reflect.construct(target, args, newTarget)
      onUse("the real time")
      return Reflect.construct(target, [now()], newTarget)
    },
    apply: (target) => {
      onUse("the real time")
      return Reflect.construct(target, [now()]).toString()
    },
    get: (target, name, receiver) => {
      if (name !== "now") return Reflect.get(target, name, receiver)
      return () => {
        onUse("the real time")
        return now()
      }
    }
  })

/** Runs `run` under guard. `onUse` hears what was used; the use itself goes through, but for time, which is virtual. */
export const guarded = <A>(now: () => number, onUse: (what: string) => void, run: () => A): A => {
  const undo: Array<() => void> = []
  const replace = (owner: object, name: string, value: unknown) => {
    const before = Object.getOwnPropertyDescriptor(owner, name)
    Object.defineProperty(owner, name, { configurable: true, writable: true, enumerable: false, value })
    undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(owner, name)
      else Object.defineProperty(owner, name, before)
    })
  }
  for (const [owner, name, what] of places()) {
    const real: unknown = Reflect.get(owner, name)
    if (typeof real !== "function") continue
    const watched = new Proxy(real, {
      apply: (target, self, args) => {
        onUse(`${what} (${name})`)
        return Reflect.apply(target, self, args)
      }
    })
    replace(owner, name, watched)
  }
  replace(globalThis, "Date", watchedDate(globalThis.Date, now, onUse))
  try {
    return run()
  } finally {
    for (const back of undo.toReversed()) back()
  }
}
