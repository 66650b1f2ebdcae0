using System.Text;
using FastExit.Crypto.Noise;
using FastExit.Crypto.Primitives;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Crypto.Noise;

public sealed class NoiseHandshakeTests
{
    private readonly SeededBytes _random = new(77);
    private readonly AesGcmStream _ours = new(), _theirs = new();

    /// <summary>mix-link.md A.1.</summary>
    [Fact]
    public void PublishedLink()
    {
        byte[] responder = Repeated(0x11), initiator = Repeated(0x22), psk = new byte[32];
        Assert.Equal("7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13", Convert.ToHexStringLower(Public(responder)));
        NoiseRecord.PreSharedKey(Public(responder), psk);
        Assert.Equal("340bee1f33e07d10a9897b0c1ddab39062bfbb2e27c330549fdcf2fad9502fb1", Convert.ToHexStringLower(psk));
        NoiseHandshake first = new(), second = new();
        first.StartInitiator(initiator, Public(initiator), Repeated(0x33), Public(responder), psk, default);
        second.StartResponder(responder, Public(responder), Repeated(0x44), psk, default);
        string[] records =
        [
            "01010000300000007b0d47d93427f8311160781c7c733fd89f88970aef490d8aa0ee19a4cb8a1b14f67a2d48c97ed12b6cb4bca2ee75d2f3",
            "0101000030000000ff2ee45601ec1b67310c7790404585ae697331eee1c1f8cf2419731c1fff3e6b58dedc93065feeb7ba2c386779b350e6",
            "0101000040000000e862376f550d84d95d5f2693f28b7fd1c208211a1626967b52b398f9494c0475fb90503f1bc9574002ae5d6319cb357e9ab4fc56ce31ea3d1f8772c21ebbedbe",
        ];
        for (int i = 0; i < records.Length; i++)
        {
            byte[] record = new byte[128];
            Assert.True((i == 1 ? second : first).TryWrite(default, record.AsSpan(NoiseRecord.HeaderBytes), out int written));
            new NoiseRecord(NoiseRecordType.Handshake, written).Write(record);
            Assert.Equal(records[i], Convert.ToHexStringLower(record.AsSpan(0, NoiseRecord.HeaderBytes + written)));
            Assert.True((i == 1 ? first : second).TryRead(record.AsSpan(NoiseRecord.HeaderBytes, written), default, out _));
        }

        Assert.Equal("60fa63d507f19ce54dbdf0da5a4e50a550aef06609c9042e0d92e21c73b489e2", Convert.ToHexStringLower(first.Hash));
        Assert.True(second.Hash.SequenceEqual(first.Hash));
        Assert.Equal("0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20", Convert.ToHexStringLower(second.RemoteStatic));
        first.Split(_ours, null);
        second.Split(_theirs, null);
        AssertRecord(0, "hello", "0101010015000000df66a3a4ecc2df02ecd487d313002ae5c06262eaae");
        AssertRecord(1, "world", "01010100150000003780bca67b1124a1fd95bbacedeac5d33cd5de97b6");
    }

    /// <summary>The public cacophony vector of this protocol name.</summary>
    [Fact]
    public void CacophonyVector()
    {
        byte[] psk = Convert.FromHexString("54686973206973206d7920417573747269616e20706572737065637469766521");
        byte[] prologue = Convert.FromHexString("4a6f686e2047616c74");
        byte[] initiator = Convert.FromHexString("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1");
        byte[] responder = Convert.FromHexString("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893");
        (string Payload, string Ciphertext)[] messages =
        [
            ("4c756477696720766f6e204d69736573", "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944e6456dee419b259f3e687d6efaccc920b381e754a3f6f7301de84f959da696ba"),
            ("4d757272617920526f746862617264", "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843da57d6ce41120c246e0fc8f9b9d687ba9831b48355cc5da761e7a4c1869e7e"),
            ("462e20412e20486179656b", "b6975b8b6124af41e15deeba23507aa21cde524f9a1f22c4271793bc374cce1965832867697b1860f93db614610ab10d5b552e100d00aaafd4189ee548e6c59b0c4f79ac540fa2d30089f6"),
            ("4361726c204d656e676572", "3d8282543c7df202312946c03e1f3bcf8c5a7fada6808471da994b"),
            ("4a65616e2d426170746973746520536179", "ff4e77b08822597d16f87da0299879e92e7dd33b7072e5900fb08e25a8089311bb"),
            ("457567656e2042f6686d20766f6e2042617765726b", "5300fe4b9aebd6b2f3cb74f8b9f5857804f546611129c3edf6d7a7f703403762a0568e2dcc"),
        ];
        NoiseHandshake first = new(), second = new();
        first.StartInitiator(
            initiator, Public(initiator), Convert.FromHexString("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"),
            Convert.FromHexString("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62"), psk, prologue);
        second.StartResponder(
            responder, Public(responder), Convert.FromHexString("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"), psk, prologue);
        byte[] message = new byte[200], payload = new byte[100];
        for (int i = 0; i < 3; i++)
        {
            Assert.True((i == 1 ? second : first).TryWrite(Convert.FromHexString(messages[i].Payload), message, out int written));
            Assert.Equal(messages[i].Ciphertext, Convert.ToHexStringLower(message.AsSpan(0, written)));
            Assert.True((i == 1 ? first : second).TryRead(message.AsSpan(0, written), payload, out int length));
            Assert.Equal(messages[i].Payload, Convert.ToHexStringLower(payload.AsSpan(0, length)));
        }

        Assert.Equal("7d896ec6c2df47dfc0018daf83e13a3de26864da2d7a83c80a14866400af2686", Convert.ToHexStringLower(second.Hash));
        first.Split(_ours, _theirs);
        // The fourth message goes on with the responder, as the sixth.
        for (int i = 3; i < 6; i++)
        {
            byte[] data = Convert.FromHexString(messages[i].Payload), tag = new byte[16];
            AesGcmStream sender = i == 4 ? _ours : _theirs;
            sender.Begin((ulong)(i == 5 ? 1 : 0), default);
            sender.Encrypt(data, data);
            sender.Finish(tag);
            Assert.Equal(messages[i].Ciphertext, Convert.ToHexStringLower(data) + Convert.ToHexStringLower(tag));
        }
    }

    /// <summary>Nothing but the untouched messages of one handshake completes one.</summary>
    [Fact]
    public void MessagesThatAreChangedCutMixedOrReplayedAreRefused()
    {
        byte[] responder = Random32(), initiator = Random32(), other = Random32();
        NoiseHandshake first = new(), second = new();
        byte[][] earlier = Run(first, second, initiator, responder, Public(responder));
        int refused = 0;
        for (int i = 0; i < 2_000; i++)
        {
            int at = _random.Below(3);
            byte[][] messages = [new byte[48], new byte[48], new byte[64]];
            Begin(first, second, initiator, responder, i % 100 == 0 ? Public(other) : Public(responder));
            bool fits = i % 100 != 0;
            for (int m = 0; m < 3; m++)
            {
                if (!(m == 1 ? second : first).TryWrite(default, messages[m], out _))
                    break;
                Span<byte> sent = messages[m];
                if (m == at && fits)
                {
                    switch (_random.Below(4))
                    {
                        case 0:
                            sent = earlier[m];
                            // A first message is as good the second time; what follows it then is not.
                            fits = m == 0;
                            break;
                        case 1:
                            sent = sent[.._random.Below(sent.Length)];
                            fits = false;
                            break;
                        case 2:
                            _random.Fill(sent);
                            fits = false;
                            break;
                        default:
                            sent[_random.Below(sent.Length)] ^= (byte)(1 << _random.Below(8));
                            fits = false;
                            break;
                    }
                }

                bool read = (m == 1 ? first : second).TryRead(sent, default, out _);
                if (m == at && !fits)
                    Assert.False(read);
                if (read)
                    continue;
                refused++;
                Assert.NotEqual(NoiseHandshake.Messages, (m == 1 ? first : second).Done);
                Assert.False((m == 1 ? first : second).TryRead(messages[m], default, out _));
                break;
            }
        }

        Assert.Equal(2_000, refused);
        Run(first, second, initiator, responder, Public(responder));
    }

    [Fact]
    public void KeysOfLowOrderAreRefused()
    {
        byte[] responder = Random32();
        var handshake = new NoiseHandshake();
        handshake.StartResponder(responder, Public(responder), Random32(), new byte[32], default);
        Assert.False(handshake.TryRead(new byte[48], default, out _));
        handshake.StartInitiator(responder, Public(responder), Random32(), new byte[32], new byte[32], default);
        Assert.False(handshake.TryWrite(default, new byte[48], out _));
    }

    [Fact]
    public void EveryRecordHeaderMeansWhatTheTableSays()
    {
        Span<byte> header = stackalloc byte[NoiseRecord.HeaderBytes];
        Span<byte> written = stackalloc byte[NoiseRecord.HeaderBytes];
        int accepted = 0;
        for (int i = 0; i < 2_000_000; i++)
        {
            _random.Fill(header);
            if (_random.Below(8) != 0)
                header[0] = 1;
            if (_random.Below(8) != 0)
                header[1] = 1;
            if (_random.Below(8) != 0)
                header[2] %= 2;
            if (_random.Below(3) == 0)
                header[3] %= 5;
            if (_random.Below(3) == 0)
                (header[3], header[4]) = (0, (byte)(header[4] % 18));
            int length = header[3] << 8 | header[4];
            NoiseRecordStatus expected = header[0] != 1 ? NoiseRecordStatus.BadVersion
                : header[1] != 1 ? NoiseRecordStatus.BadPattern
                : header[2] > 1 ? NoiseRecordStatus.BadType
                : (header[2] == 1 ? length < 16 : length > 1024) ? NoiseRecordStatus.BadLength
                : NoiseRecordStatus.Ok;
            if (NoiseRecord.TryRead(header, out NoiseRecord record) != expected)
                Assert.Fail(Convert.ToHexString(header));
            // A verdict that fewer bytes allow is the same one.
            NoiseRecordStatus early = NoiseRecord.TryRead(header[.._random.Below(8)], out _);
            Assert.True(early == NoiseRecordStatus.Incomplete || early == expected);
            if (expected != NoiseRecordStatus.Ok)
                continue;
            accepted++;
            record.Write(written);
            Assert.True(written[..5].SequenceEqual(header[..5]) && written[5..].IndexOfAnyExcept((byte)0) < 0);
        }

        Assert.True(accepted > 500_000);
    }

    private void AssertRecord(ulong nonce, string text, string hex)
    {
        byte[] data = Encoding.ASCII.GetBytes(text), record = new byte[NoiseRecord.OverheadBytes + data.Length];
        new NoiseRecord(NoiseRecordType.Data, data.Length + 16).Write(record);
        _ours.Begin(nonce, default);
        _ours.Encrypt(data, record.AsSpan(NoiseRecord.HeaderBytes));
        _ours.Finish(record.AsSpan(NoiseRecord.HeaderBytes + data.Length));
        Assert.Equal(hex, Convert.ToHexStringLower(record));
        _theirs.Begin(nonce, default);
        _theirs.Decrypt(record.AsSpan(NoiseRecord.HeaderBytes, data.Length), data);
        Assert.True(_theirs.Verify(record.AsSpan(NoiseRecord.HeaderBytes + data.Length)));
        Assert.Equal(text, Encoding.ASCII.GetString(data));
    }

    private byte[][] Run(NoiseHandshake first, NoiseHandshake second, byte[] initiator, byte[] responder, byte[] known)
    {
        Begin(first, second, initiator, responder, known);
        byte[][] messages = [new byte[48], new byte[48], new byte[64]];
        for (int m = 0; m < 3; m++)
        {
            Assert.True((m == 1 ? second : first).TryWrite(default, messages[m], out _));
            Assert.True((m == 1 ? first : second).TryRead(messages[m], default, out _));
        }

        Assert.True(first.Hash.SequenceEqual(second.Hash));
        return messages;
    }

    private void Begin(NoiseHandshake first, NoiseHandshake second, byte[] initiator, byte[] responder, byte[] known)
    {
        byte[] theirs = new byte[32], ours = new byte[32];
        NoiseRecord.PreSharedKey(known, theirs);
        NoiseRecord.PreSharedKey(Public(responder), ours);
        first.StartInitiator(initiator, Public(initiator), Random32(), known, theirs, default);
        second.StartResponder(responder, Public(responder), Random32(), ours, default);
    }

    private byte[] Random32()
    {
        byte[] key = new byte[32];
        _random.Fill(key);
        return key;
    }

    private static byte[] Repeated(byte value) => [.. Enumerable.Repeat(value, 32)];

    private static byte[] Public(byte[] key)
    {
        byte[] result = new byte[32];
        X25519.MultiplyBase(key, result);
        return result;
    }
}
