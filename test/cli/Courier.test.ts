import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import * as Courier from "../../src/cli/Courier.ts"

let home = ""
let server: Net.Server | undefined
const written = { stdout: "", stderr: "" }

/** Serves the home's socket: answers each line that comes with the lines that `answer` gives. */
const serve = (answer: (message: { readonly tag?: string }) => ReadonlyArray<unknown>) =>
  new Promise<void>((resolve) => {
    server = Net.createServer((socket) => {
      let text = ""
      socket.on("error", () => {})
      socket.setEncoding("utf8").on("data", (more: string) => {
        text += more
        const lines = text.split("\n")
        text = lines.pop() ?? ""
        for (const line of lines) {
          for (const each of answer(JSON.parse(line))) {
            socket.write(typeof each === "string" ? each : `${JSON.stringify(each)}\n`)
          }
        }
      })
    }).listen(Path.join(home, "daemon.sock"), resolve)
  })

const success = (requestId: string, value: unknown) => ({ _tag: "Exit", requestId, exit: { _tag: "Success", value } })
const hello = success("1", { pid: 1 })
const deliver = () => Courier.deliver(["resolve", "semver", "--home", home])

beforeEach(() => {
  home = Fs.mkdtempSync(Path.join(Os.tmpdir(), "libreseed-courier-"))
  Object.assign(written, { stdout: "", stderr: "" })
  for (const stream of ["stdout", "stderr"] as const) {
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      written[stream] += String(text)
      return true
    })
  }
})

afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
  server?.close()
  server = undefined
  Fs.rmSync(home, { recursive: true, force: true })
})

describe("Courier", () => {
  it("prints what the daemon says, and ends as it says", async () => {
    const asked: Array<unknown> = []
    await serve((message) => {
      asked.push(message)
      if (message.tag === "hello") return [hello]
      return message.tag === "errand" ? [success("2", { code: 4, stdout: "out\n", stderr: "err\n" })] : []
    })
    assert.isTrue(await deliver())
    const { exitCode } = process
    assert.strictEqual(exitCode, 4)
    assert.deepStrictEqual(written, { stdout: "out\n", stderr: "err\n" })
    assert.nestedPropertyVal(asked[1], "payload.home", home)
    assert.deepNestedPropertyVal(asked[1], "payload.args", ["resolve", "semver"])
  })

  it("leaves the command to its process where nobody listens", async () => {
    assert.isFalse(await deliver())
    Fs.writeFileSync(Path.join(home, "daemon.sock"), "")
    assert.isFalse(await deliver())
  })

  it("leaves the command to its process where others can write to the home", async () => {
    await serve(({ tag }) => (tag === "hello" ? [hello] : [success("2", { code: 0, stdout: "", stderr: "" })]))
    Fs.chmodSync(home, 0o777)
    assert.isFalse(await deliver())
  })

  it.each([
    ["a daemon that will not", [hello, success("2", null)]],
    ["an answer of another shape", [hello, success("2", { code: "0", stdout: 1 })]],
    ["a failure", [hello, { _tag: "Exit", requestId: "2", exit: { _tag: "Failure", cause: [] } }]],
    ["a defect", [{ _tag: "Defect", defect: "gone" }]],
    ["what is no JSON", ["}\n"]],
    ["a line without an end", ["x".repeat(8 * 1024 * 1024)]]
  ])("leaves the command to its process after %s", async (_, answers) => {
    await serve(({ tag }) => (tag === "hello" ? answers : []))
    assert.isFalse(await deliver())
    assert.deepStrictEqual(written, { stdout: "", stderr: "" })
  })

  it("leaves the command to its process where nobody says who it is", async () => {
    await serve(() => [])
    assert.isFalse(await deliver())
  })
})
