"""Selection: from the runs to the results table.

Needs:  history.csv and summary.json of every cell of the grid; the bounds of the selected models
Makes:  results/gathered/{dataset}/summaries.csv, histories.csv.gz  all runs of a dataset
        results/tables/selection.csv   the temperature selected for each dataset, K, perturbation and seed
        results/tables/diverged.csv    the runs whose loss stopped being finite
        results/tables/results.*       test losses of the selected models, as CSV, Markdown and LaTeX
        results/tables/claims.*        the study's claims with intervals and verdicts, as CSV and Markdown
Steps:  gather, select, tabulate, judge
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
        bounds=expand(
            "results/gathered/{dataset}/bounds-K{K}.csv",
            dataset=config["grid"]["dataset"],
            K=config["grid"]["K"],
        ),
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
        bounds=rules.tabulate.input.bounds,
        histories=expand(
            "results/gathered/{dataset}/histories.csv.gz",
            dataset=config["grid"]["dataset"],
        ),
    output:
        csv=report(
            "results/tables/claims.csv",
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


rule tables:
    input:
        rules.select.output,
        rules.tabulate.output,
        rules.judge.output,
