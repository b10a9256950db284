"""Analysis: selection, comparisons with their uncertainty, claims, use of the codes, and costs.

Functions here, in report and in control share these arguments:

- ``runs``: summaries, a row a run, see `groups.recorded_runs`;
- ``histories``: a row a run and epoch, see `gathering.gather_histories`;
- ``selection``: the selected models, a row each, see `selection.select_temperatures`;
- ``bounds``: their losses and their use of the codes on the test set, a row each, see `selection.read_bounds`;
- ``per_image``: measures x images of each selected model, in nats, by the cell's name;
- ``temperature``: the one wanted; each dataset and K is shown or compared at the nearest one.
"""
