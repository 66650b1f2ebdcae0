using FastExit.Crypto.Noise;
using FastExit.MixLink;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.MixLink;

public sealed class NoiseReceiverTests
{
    private readonly SeededBytes _random = new(22);
    private byte[][]? _messages;

    [Fact]
    public void AnyRecordsInAnyPiecesAreTakenOrRefusedAsTheyShouldBe()
    {
        var receiver = new NoiseReceiver();
        var sender = new NoiseHandshake();
        var cipher = new AesGcmStream();
        Handshake(receiver, sender, cipher);
        byte[] record = new byte[128], plain = new byte[64];
        ulong nonce = 0;
        int genuine = 0, forged = 0, refused = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            int length = _random.Below(40);
            new NoiseRecord(NoiseRecordType.Data, length + 16).Write(record);
            cipher.Begin(nonce, default);
            cipher.Encrypt(plain.AsSpan(0, length), record.AsSpan(8));
            cipher.Finish(record.AsSpan(8 + length));
            int wrong = _random.Below(3) == 0 ? _random.Below(length + NoiseRecord.OverheadBytes) : -1;
            // The length's own bytes would only move where the record ends.
            if (wrong is 3 or 4)
                wrong = -1;
            if (wrong >= 0)
                record[wrong] ^= (byte)(1 << _random.Below(8));
            Span<byte> rest = record.AsSpan(0, length + NoiseRecord.OverheadBytes);
            bool done = false;
            while (!done)
            {
                Span<byte> piece = rest[..Math.Min(rest.Length, 1 + _random.Below(30))];
                if (receiver.State == NoiseReceiverState.Data)
                {
                    piece = piece[..Math.Min(piece.Length, receiver.DataBytes)];
                    receiver.Cipher.Decrypt(piece, piece);
                    receiver.Passed(piece.Length);
                    rest = rest[piece.Length..];
                    continue;
                }

                int before = piece.Length;
                NoiseReceiverState state = receiver.State;
                bool complete = receiver.TryTake(ref piece, out NoiseRecordStatus status);
                rest = rest[(before - piece.Length)..];
                if (complete && state == NoiseReceiverState.Tag)
                {
                    bool valid = receiver.TryEndRecord();
                    if (valid != (wrong is -1 or 5 or 6 or 7))
                        Assert.Fail($"case {i}: {wrong}");
                    _ = valid ? genuine++ : forged++;
                    nonce++;
                    done = true;
                }
                else if (!complete && status != NoiseRecordStatus.Incomplete)
                {
                    Assert.InRange(wrong, 0, 2);
                    refused++;
                    nonce = 0;
                    Handshake(receiver, sender, cipher);
                    done = true;
                }

                if (!done && rest.IsEmpty)
                    Assert.Fail($"case {i}: more is wanted than was sent");
            }
        }

        Assert.True(genuine > 500_000 && forged > 100_000 && refused > 10_000);
    }

    private void Handshake(NoiseReceiver receiver, NoiseHandshake sender, AesGcmStream cipher)
    {
        _messages ??= [new byte[48], new byte[48], new byte[64]];
        receiver.Start(NoisePeer.Identity);
        NoisePeer.Identity.Initiate(sender, NoisePeer.Identity.PublicKey);
        sender.TryWrite(default, _messages[0], out _);
        Give(receiver, _messages[0]);
        receiver.Handshake.TryWrite(default, _messages[1], out _);
        Assert.True(sender.TryRead(_messages[1], default, out _));
        sender.TryWrite(default, _messages[2], out _);
        Give(receiver, _messages[2]);
        receiver.Complete();
        sender.Split(cipher, null);

        static void Give(NoiseReceiver receiver, byte[] message)
        {
            Span<byte> record = NoisePeer.Record(NoiseRecordType.Handshake, message);
            Assert.True(receiver.TryTake(ref record, out _));
            Assert.True(receiver.TryTake(ref record, out _));
            Assert.True(receiver.TryReadHandshake());
        }
    }
}
