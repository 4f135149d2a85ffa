/** aria2c as the yardstick of downloads: the same torrent from the same peers, which a tracker of our own names to it. */
import { execFileSync, spawn } from "node:child_process"
import * as Fs from "node:fs"
import { createServer } from "node:http"
import * as Path from "node:path"
import * as Bencode from "../../src/protocol/core/Bencode.ts"

/** Whether it is installed. */
export const isThere = (): boolean => {
  try {
    execFileSync("aria2c", ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** The compact form of BEP 23. */
const compact = (peers: ReadonlyArray<string>): Uint8Array =>
  Buffer.concat(
    peers.map((peer) => {
      const [host = "", port = ""] = peer.split(":")
      return Buffer.from([...host.split(".").map(Number), Number(port) >> 8, Number(port) & 0xff])
    })
  )

/**
 * Fetches the torrent into `directory`; gives the ms from the tracker's answer, when the peers are known, to the end of
 * the process.
 */
export const fetch = async (directory: string, info: Uint8Array, peers: ReadonlyArray<string>): Promise<number> => {
  let knownAt = 0
  const tracker = createServer((_request, response) => {
    knownAt ||= performance.now()
    response.end(Bencode.encode({ interval: 1800, peers: compact(peers) }))
  })
  await new Promise<void>((resolve) => tracker.listen(0, "127.0.0.1", resolve))
  const bound = tracker.address()
  const port = typeof bound === "object" && bound !== null ? bound.port : 0
  Fs.mkdirSync(directory, { recursive: true })
  const file = Path.join(directory, "x.torrent")
  const announce = Bencode.utf8(`http://127.0.0.1:${port}/announce`)
  // The info dictionary goes in as it is: its hash is what counts.
  Fs.writeFileSync(
    file,
    Buffer.concat([Buffer.from("d8:announce"), Bencode.encode(announce), Buffer.from("4:info"), info, Buffer.from("e")])
  )
  const options = [
    "--no-conf",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--enable-peer-exchange=false",
    "--interface=127.0.0.1",
    "--disable-ipv6=true",
    "--file-allocation=none",
    "--seed-time=0",
    `--dir=${directory}`
  ]
  const child = spawn("aria2c", [...options, file], { stdio: "ignore" })
  const code = await new Promise((resolve) => child.once("exit", resolve))
  const endedAt = performance.now()
  tracker.close()
  if (code !== 0) throw new Error(`aria2c ended with ${String(code)}`)
  return endedAt - knownAt
}
