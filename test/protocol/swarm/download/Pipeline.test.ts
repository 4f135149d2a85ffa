import { assert, describe, it } from "@effect/vitest"
import {
  Pipeline,
  PIPELINE_MAX,
  PIPELINE_MIN,
  PIPELINE_START,
  QUEUE_DEFAULT
} from "../../../../src/protocol/swarm/download/Pipeline.ts"

const roundTrip = (pipeline: Pipeline, tookMs: number) => {
  const { depth } = pipeline
  for (let i = 0; i < depth; i++) pipeline.onBlock(tookMs, depth + i)
}

describe("Pipeline", () => {
  it("doubles with each round trip in which it was full, up to what a peer queues", () => {
    const pipeline = new Pipeline()
    const depths = Array.from({ length: 6 }, () => {
      const { depth } = pipeline
      roundTrip(pipeline, 50)
      return depth
    })
    assert.deepStrictEqual(depths, [PIPELINE_START, 32, 64, 128, QUEUE_DEFAULT, QUEUE_DEFAULT])
    pipeline.setLimit(1000)
    assert.strictEqual(pipeline.depth, PIPELINE_MAX)
    pipeline.setLimit(3)
    assert.strictEqual(pipeline.depth, 3)
    pipeline.setLimit(0)
    assert.strictEqual(pipeline.depth, 1)
  })

  it("stays where more would be of no use", () => {
    const pipeline = new Pipeline()
    for (let i = 0; i < 100; i++) pipeline.onBlock(50, PIPELINE_START / 2)
    assert.strictEqual(pipeline.depth, PIPELINE_START)
  })

  it("falls when blocks wait at the peer for long", () => {
    const pipeline = new Pipeline()
    roundTrip(pipeline, 50)
    for (let i = 0; i < 100; i++) pipeline.onBlock(3000, PIPELINE_START)
    assert.strictEqual(pipeline.depth, PIPELINE_MIN)
  })

  it("is filled up in few goes once it is deep", () => {
    const pipeline = new Pipeline()
    assert.strictEqual(pipeline.enough, PIPELINE_START - 1)
    while (pipeline.depth < 128) roundTrip(pipeline, 50)
    assert.strictEqual(pipeline.enough, 96)
  })

  it("starts low again after a stall", () => {
    const pipeline = new Pipeline()
    roundTrip(pipeline, 50)
    pipeline.restart()
    assert.strictEqual(pipeline.depth, PIPELINE_MIN)
  })
})
