/**
 * Installs of express and all that it depends on, from beginning to end of the command, in milliseconds: `ls-cli` as it
 * is published, from two seeders on loopback, beside `npm ci` and pnpm from a Verdaccio on loopback that has everything.
 * All have a lock file. They take turns, and the medians are told.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as BundleStamp from "../../scripts/BundleStamp.js"
import * as InstallChart from "./InstallChart.ts"
import type { Installs } from "./InstallChart.ts"
import { median, round, time } from "./Measure.ts"
import * as Rivals from "./Rivals.ts"
import * as Scratch from "./Scratch.ts"

const root = Path.resolve(import.meta.dirname, "../..")
const CHART = Path.join(root, "docs/bench/install.svg")

const SPEC = "express@^5"
const DHT_NODES = 20
const SEEDERS = 2
const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 7)

/** Requests a second to a registry that is nobody's but ours. */
const RATE = "1000"

/** Seconds that a command may take: a machine that is busy is slow, and no reason to stop. */
const TIMEOUT = "600"

const lsCli = (...args: ReadonlyArray<string>): void =>
  Rivals.run(process.execPath, [BundleStamp.entry, ...args, "--timeout", TIMEOUT], root)

/** Starts a command that stays; succeeds with the document that it says first. */
const stay = (args: ReadonlyArray<string>, running: Array<ChildProcess>): Promise<Record<string, unknown>> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BundleStamp.entry, ...args, "--json"], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    running.push(child)
    let text = ""
    child.once("exit", (code) => reject(new Error(`ls-cli ${args[0]} ended with ${code}`)))
    child.stdout.setEncoding("utf8").on("data", (more: string) => {
      text += more
      if (text.includes("\n")) resolve(JSON.parse(text.slice(0, text.indexOf("\n"))))
    })
  })

/** Serves what is in a home; succeeds once all of it is announced. */
const seed = (home: string, flags: ReadonlyArray<string>, running: Array<ChildProcess>): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BundleStamp.entry, "seed", "--home", home, ...flags])
    running.push(child)
    child.once("exit", (code) => reject(new Error(`ls-cli seed ended with ${code}`)))
    let said = ""
    const hear = (more: string) => {
      said += more
      const isLate = said.includes("Not announced yet")
      // The last of its first words says how to stop it.
      if (said.includes("Ctrl-C") && (!isLate || / announced$/m.test(said))) resolve()
    }
    child.stdout.setEncoding("utf8").on("data", hear)
    child.stderr.setEncoding("utf8").on("data", hear)
  })

/** Mirrors express, and leaves two seeders of it behind. */
const publish = async (
  registry: string,
  directory: string,
  flags: ReadonlyArray<string>,
  running: Array<ChildProcess>
) => {
  const publisher = Path.join(directory, "publisher")
  const common = ["--home", publisher, ...flags]
  lsCli("keys", "new", ...common)
  lsCli("mirror", SPEC, "--registry", registry, "--rate", RATE, ...common)
  for (let i = 0; i < SEEDERS; i++) {
    const home = Path.join(directory, `seeder-${i}`)
    // The packages alone: who holds records as well begins by putting all of them again.
    Fs.cpSync(Path.join(publisher, "packages"), Path.join(home, "packages"), { recursive: true })
    await seed(home, flags, running)
  }
}

/** A project that has its lock files and nothing else. */
const projectIn = (directory: string, name: string, from: string): string => {
  const project = Path.join(directory, name)
  Fs.mkdirSync(project)
  for (const file of Fs.readdirSync(from)) Fs.copyFileSync(Path.join(from, file), Path.join(project, file))
  return project
}

const measure = async (directory: string, running: Array<ChildProcess>, rivals: Rivals.Rivals): Promise<Installs> => {
  const { bootstrap } = await stay(["testnet", "--nodes", String(DHT_NODES)], running)
  const flags = ["--bootstrap", String(bootstrap)]
  const locked = Path.join(directory, "locked")
  Fs.mkdirSync(locked)
  const [name, range] = SPEC.split("@")
  const packageJson = { name: "measured", version: "1.0.0", private: true, dependencies: { [name!]: range } }
  Fs.writeFileSync(Path.join(locked, "package.json"), JSON.stringify(packageJson))
  rivals.prepare(locked, Path.join(directory, "scratch"))
  await publish(rivals.registry, directory, flags, running)
  lsCli("install", "--dir", locked, "--home", Path.join(directory, "first"), ...flags)
  Scratch.putAway(directory, Path.join(locked, "node_modules"))

  const taken: Record<keyof Installs, Array<number>> = {
    coldMs: [],
    npmColdMs: [],
    pnpmColdMs: [],
    warmMs: [],
    noopMs: []
  }
  for (let at = 0; at <= ROUNDS; at++) {
    const own = Path.join(directory, `round-${at}`)
    Fs.mkdirSync(own)
    const home = Path.join(own, "home")
    const install = (project: string) => lsCli("install", "--frozen", "--dir", project, "--home", home, ...flags)
    const cold = projectIn(own, "cold", locked)
    const warm = projectIn(own, "warm", locked)
    const ofNpm = projectIn(own, "npm", locked)
    const ofPnpm = projectIn(own, "pnpm", locked)
    const times: Installs = {
      coldMs: await time(() => install(cold)),
      npmColdMs: await time(() => rivals.npm(ofNpm, Path.join(own, "npm-cache"))),
      pnpmColdMs: await time(() => rivals.pnpm(ofPnpm, Path.join(own, "pnpm-store"))),
      warmMs: await time(() => install(warm)),
      noopMs: await time(() => install(warm))
    }
    // What the disk and the caches of programs have to learn is learnt in the first round.
    if (at === 0) continue
    for (const [key, ms] of Object.entries(times)) taken[key as keyof Installs].push(ms)
  }
  const of = (key: keyof Installs): number => round(median(taken[key]), 0)
  return {
    coldMs: of("coldMs"),
    npmColdMs: of("npmColdMs"),
    pnpmColdMs: of("pnpmColdMs"),
    warmMs: of("warmMs"),
    noopMs: of("noopMs")
  }
}

export const express = async (): Promise<Installs> => {
  if (!BundleStamp.isCurrent()) Rivals.run(process.execPath, [Path.join(root, "scripts/build.ts"), "--cli"], root)
  const directory = Scratch.make()
  const running: Array<ChildProcess> = []
  const rivals = await Rivals.start()
  try {
    const installs = await measure(directory, running, rivals)
    Fs.mkdirSync(Path.dirname(CHART), { recursive: true })
    Fs.writeFileSync(CHART, InstallChart.render(installs))
    return installs
  } finally {
    rivals.stop()
    for (const child of running) {
      child.removeAllListeners("exit")
      child.kill()
    }
  }
}
