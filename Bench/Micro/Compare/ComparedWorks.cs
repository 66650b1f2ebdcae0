namespace FastExit.Bench.Micro.Compare;

/// <summary>The rows of the comparison with what they are to reach.</summary>
internal sealed class ComparedWorks : IDisposable
{
    private readonly CipherWorks _ciphers = new();
    private readonly PacketWorks _packets = new();

    public ComparedWorks() => Rows =
    [
        new("X25519, variable base (8 lanes)", Curve.Variable, null, Goal.TimesAsFast(Yardstick.OpenSsl, 4.6), Goal.TimesAsFast(Yardstick.NSec, 7)) { IsCurve = true },
        new("X25519, fixed base: generator (8 lanes)", Curve.Generator, null, Goal.TimesAsFast(Yardstick.OpenSsl, 20)) { IsCurve = true },
        new("X25519, fixed base: table of a public key (8 lanes)", Curve.Table, null) { IsCurve = true },
        new("SHA-256 of 64 bytes, 16 messages", _ciphers.Sha256Blocks, _ciphers.Sha256OfBcl, Goal.TimesAsFast(Yardstick.Bcl, 10)),
        new("AES-128-CTR, 8 fragments of 1,611 bytes (BCL: ECB)", _ciphers.AesFragments, _ciphers.AesOfBcl),
        new("Lioness, 8 x 2,065 bytes", _ciphers.LionessLayer, null, Goal.TimesTheTime(Yardstick.Lane, 0.30)),
        new("final hop, regular packet, batch of 8", _packets.FinalHop, null, Goal.TimesTheTime(Yardstick.Lane, 1.5)),
        new("forward path: final hop, end-to-end, reassembly, delivery", _packets.ForwardPath, null, Goal.TimesTheTime(Yardstick.Lane, 2.75)),
        new("reply with its ack", _packets.ReplyWithAck, null, Goal.TimesTheTime(Yardstick.Lane, 4)),
        new($"reply with its ack, {PacketWorks.ManyNodes} mix nodes a layer", _packets.ReplyAmongMany, null),
        new("reply with a pooled ack", _packets.ReplyWithPooledAck, null, Goal.TimesTheTime(Yardstick.Lane, 1.7)),
        new("message to an explicit recipient, with its ack", _packets.MessageToRecipient, null, Goal.TimesTheTime(Yardstick.Lane, 7)),
        new("batch of 1: a final hop's key agreement", Curve.One, null, Goal.TimesTheTime(Yardstick.NSec, 1.2)) { IsCurve = true },
    ];

    public CurveWorks Curve { get; } = new();

    /// <summary>The first is the yardstick of packets.</summary>
    public IReadOnlyList<ComparisonRow> Rows { get; }

    /// <summary>The others' too.</summary>
    public IEnumerable<Work> All => [.. Rows.Select(r => r.Ours), .. Rows.Select(r => r.Bcl).OfType<Work>(), Curve.NSecOne, Curve.SodiumOne];

    public void Dispose()
    {
        Curve.Dispose();
        _ciphers.Dispose();
        _packets.Dispose();
    }
}
