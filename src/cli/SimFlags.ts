/** What `ls-cli sim` can be told. */
import * as Flag from "effect/cli/Flag"

export const simFlags = {
  seeds: Flag.Int("seeds").pipe(
    Flag.withMetavar("count"),
    Flag.withDescription("How many seeds to play (default: 20)"),
    Flag.withDefault(20)
  ),
  start: Flag.Finite("start").pipe(
    Flag.withMetavar("seed"),
    Flag.withDescription("The first seed (default: 1)"),
    Flag.withDefault(1)
  ),
  nodes: Flag.Int("nodes").pipe(
    Flag.withMetavar("count"),
    Flag.withDescription("Storage nodes of the network (default: what the scenario asks for, mostly 50)"),
    Flag.optional
  ),
  scenario: Flag.String("scenario").pipe(
    Flag.withMetavar("name"),
    Flag.withDescription("Play only this scenario (default: each seed its own, in turn)"),
    Flag.optional
  ),
  module: Flag.String("module").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("Play your own scenarios: the default export of this JavaScript or TypeScript file"),
    Flag.optional
  ),
  network: Flag.String("network").pipe(
    Flag.withMetavar("model|wire"),
    Flag.withDescription("The network: a model, or the real DHT client on a simulated wire (default: model)"),
    Flag.withDefault("model")
  ),
  without: Flag.String("without").pipe(
    Flag.withMetavar("list"),
    Flag.withDescription("Faults and steps to leave out, like f1,s2; needs --seeds 1"),
    Flag.optional
  ),
  workers: Flag.Int("workers").pipe(
    Flag.withMetavar("count"),
    Flag.withDescription("Threads; they do not change what comes out (default: as many as there are cores)"),
    Flag.optional
  ),
  keepGoing: Flag.Boolean("keep-going").pipe(
    Flag.withDescription("Play all seeds, also after one that fails"),
    Flag.withDefault(false)
  ),
  shrink: Flag.Boolean("shrink").pipe(
    Flag.withDescription("Leave out faults, steps and nodes until what fails is minimal"),
    Flag.withDefault(false)
  ),
  trace: Flag.Boolean("trace").pipe(
    Flag.withDescription("Print everything that happens; needs --seeds 1"),
    Flag.withDefault(false)
  ),
  html: Flag.String("html").pipe(
    Flag.withMetavar("file"),
    Flag.withDescription("Write a page with the timeline of the one seed, or of the first that fails"),
    Flag.optional
  ),
  list: Flag.Boolean("list").pipe(Flag.withDescription("Name the scenarios, and play none"), Flag.withDefault(false))
}
