"""Selection: from the runs to the temperature of each dataset, K, perturbation and seed.

Needs:  history.csv and summary.json of every cell of the grid
Makes:  results/gathered/{dataset}/summaries.csv, histories.csv.gz, provenance.csv  all runs of a dataset
        results/tables/selection.csv  the temperature selected for each dataset, K, perturbation and seed
        results/tables/diverged.csv   the runs whose loss stopped being finite
Steps:  gather, select
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


checkpoint select:
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
