"""Selection: from the runs to the results table.

Needs:  history.csv and summary.json of every cell of the grid; the bounds of the selected models
Makes:  results/gathered/{dataset}/summaries.csv, histories.csv.gz, provenance.csv  all runs of a dataset
        results/tables/selection.csv   the temperature selected for each dataset, K, perturbation and seed
        results/tables/diverged.csv    the runs whose loss stopped being finite
        results/tables/results.*       test losses of the selected models, as CSV, Markdown and LaTeX
        results/tables/claims.*        the study's claims with intervals and verdicts, as CSV and Markdown
        results/tables/verdicts.csv    the verdict on each claim as a whole
        results/tables/codes.*         what the selected models learned, as CSV and Markdown
Steps:  gather, select, tabulate, judge, describe
"""


rule gather:
    input:
        summaries=lambda wildcards: cells.cell_files(
            config["grid"], "summary.json", dataset=wildcards.dataset
        ),
        histories=lambda wildcards: cells.cell_files(
            config["grid"], "history.csv", dataset=wildcards.dataset
        ),
    output:
        summaries="results/gathered/{dataset}/summaries.csv",
        histories="results/gathered/{dataset}/histories.csv.gz",
        provenance="results/gathered/{dataset}/provenance.csv",
    log:
        "logs/gather/{dataset}.log",
    benchmark:
        "results/benchmarks/gather/{dataset}.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/gather.py"


rule select:
    input:
        summaries=expand(
            "results/gathered/{dataset}/summaries.csv",
            dataset=config["grid"]["dataset"],
        ),
        provenance=expand(
            "results/gathered/{dataset}/provenance.csv",
            dataset=config["grid"]["dataset"],
        ),
    output:
        selection=report(
            "results/tables/selection.csv",
            caption="../report/selection.rst",
            category="Tables",
            labels={"table": "selected temperatures"},
        ),
        diverged=report(
            "results/tables/diverged.csv",
            caption="../report/diverged.rst",
            category="Tables",
            labels={"table": "diverged runs"},
        ),
    log:
        "logs/select.log",
    benchmark:
        "results/benchmarks/select.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/select.py"


rule tabulate:
    input:
        summaries=rules.select.input.summaries,
        selection=rules.select.output.selection,
        provenance=rules.select.input.provenance,
        bounds=cells.grid_files(
            config["grid"],
            "results/gathered/{dataset}/bounds-K{K}-seed{seed}.csv",
        ),
        per_image=cells.grid_files(
            config["grid"],
            "results/gathered/{dataset}/bounds-K{K}-seed{seed}.npz",
        ),
        published=[config["published"]] if config["published"] else [],
    output:
        csv=report(
            "results/tables/results.csv",
            caption="../report/results.rst",
            category="Tables",
            labels={"table": "test loss"},
        ),
        markdown="results/tables/results.md",
        latex="results/tables/results.tex",
    log:
        "logs/tabulate.log",
    benchmark:
        "results/benchmarks/tabulate.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/tabulate.py"


rule judge:
    input:
        selection=rules.select.output.selection,
        provenance=rules.select.input.provenance,
        bounds=rules.tabulate.input.bounds,
        per_image=rules.tabulate.input.per_image,
        histories=expand(
            "results/gathered/{dataset}/histories.csv.gz",
            dataset=config["grid"]["dataset"],
        ),
    output:
        csv=report(
            "results/tables/claims.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "comparisons"},
        ),
        verdicts=report(
            "results/tables/verdicts.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "verdicts"},
        ),
        markdown="results/tables/claims.md",
    log:
        "logs/judge.log",
    benchmark:
        "results/benchmarks/judge.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    params:
        temperature=config["figures"]["convergence_temperature"],
    script:
        "../scripts/judge.py"


rule describe:
    input:
        provenance=rules.select.input.provenance,
        bounds=rules.tabulate.input.bounds,
    output:
        csv=report(
            "results/tables/codes.csv",
            caption="../report/codes.rst",
            category="What the models learned",
            labels={"table": "use of the codes"},
        ),
        markdown="results/tables/codes.md",
    log:
        "logs/describe.log",
    benchmark:
        "results/benchmarks/describe.tsv"
    localrule: True
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/describe.py"


rule tables:
    input:
        rules.select.output,
        rules.tabulate.output,
        rules.judge.output,
        rules.describe.output,
        rules.fitting.input.table if config["fitting"]["enabled"] else [],
        rules.ledger.output,
