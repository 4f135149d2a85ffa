/**
 * The lock between processes that set up or build the same directory.
 */
import { spawnSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { withLock } from "../../scripts/Lock.js"

let path = ""

beforeEach(() => {
  path = Path.join(Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-lock-")), "below", "it.lock")
})

afterEach(() => {
  Fs.rmSync(Path.dirname(Path.dirname(path)), { recursive: true, force: true })
})

describe("withLock", () => {
  it("lets one holder in at a time, tells the other that it waits, and leaves nothing behind", async () => {
    const events: Array<string> = []
    const holder = (name: string): Promise<void> =>
      withLock(
        path,
        async () => {
          events.push(`${name} in`)
          await Promise.resolve()
          events.push(`${name} out`)
        },
        () => events.push(`${name} waits`)
      )
    await Promise.all([holder("a"), holder("b")])
    assert.deepStrictEqual(events, ["a in", "b waits", "a out", "b in", "b out"])
    assert.isFalse(Fs.existsSync(path))
  })

  it("lets go when the work fails, and passes the failure on", async () => {
    const failure = await withLock(path, () => Promise.reject(new Error("no"))).catch((error: unknown) => error)
    assert.propertyVal(failure, "message", "no")
    assert.isFalse(Fs.existsSync(path))
  })

  it("takes over the lock of a process that is gone", async () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""])
    Fs.mkdirSync(Path.dirname(path))
    Fs.writeFileSync(path, `${Os.hostname()} ${pid} 0 0`)
    assert.strictEqual(await withLock(path, async () => "in"), "in")
  })

  it("takes over a lock of another machine that nobody has touched for a minute", async () => {
    const minuteAgo = new Date(Date.now() - 60_000)
    Fs.mkdirSync(Path.dirname(path))
    Fs.writeFileSync(path, `elsewhere ${process.pid} 0 0`)
    Fs.utimesSync(path, minuteAgo, minuteAgo)
    assert.strictEqual(await withLock(path, async () => "in"), "in")
  })
})
