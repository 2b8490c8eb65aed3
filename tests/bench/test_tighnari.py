from glc.bench import tighnari


def test_the_nets_are_trained_and_compared(capsys):
    tighnari.main(["--surveys", "12", "--batch", "4", "--resize", "32", "--images", "resnet10t", "efficientnet_b0"])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == ["| resnet10t", "| efficientnet_b0"]
    parameters, speed = (int(row[1].replace(",", "")) for row in rows), [float(row[2]) for row in rows]
    assert min(parameters) > 10_000_000  # the graph vector of 11,255 species and the classes alone
    assert min(speed) > 0
    assert rows[0][3] == "1.00 x"
