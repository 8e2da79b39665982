"""The network in plain torch: embedding, pyramid, blocks (motion, MSM, MTM, gate), fusion."""
