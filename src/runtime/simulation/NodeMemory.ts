/** What something holds in memory: the heap with it and without it, each after a full collection. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** The collector, which Node hides unless asked. */
const collector = (): (() => void) => {
  setFlagsFromString("--expose-gc")
  const gc: unknown = runInNewContext("gc")
  setFlagsFromString("--no-expose-gc")
  return () => (typeof gc === "function" ? void Reflect.apply(gc, undefined, []) : undefined)
}

/** Bytes of heap and of buffers that go when `release` drops the last reference to something. */
export const heldBytes = (release: () => void): number => {
  const collect = collector()
  const used = () => {
    collect()
    const { arrayBuffers, heapUsed } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = used()
  release()
  return Math.max(0, before - used())
}
