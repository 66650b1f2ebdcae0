using System.Security.Cryptography;
using FastExit.Bench.Lab.Entry;
using Xunit;

namespace FastExit.Tests.Bench.Lab.Entry;

/// <summary>AES-256-GCM-SIV against RFC 8452, with and without the processor's instructions.</summary>
public sealed class AesGcmSivTests
{
    private const string Key = "0100000000000000000000000000000000000000000000000000000000000000";
    private const string Nonce = "030000000000000000000000";

    /// <summary>RFC 8452 appendix C.2 and C.3: key, nonce, plaintext, associated data, result.</summary>
    public static TheoryData<string, string, string, string, string> Vectors => new()
    {
        { Key, Nonce, "", "", "07f5f4169bbf55a8400cd47ea6fd400f" },
        { Key, Nonce, "0100000000000000", "", "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28" },
        { Key, Nonce, "010000000000000000000000", "", "9aab2aeb3faa0a34aea8e2b18ca50da9ae6559e48fd10f6e5c9ca17e" },
        { Key, Nonce, "01000000000000000000000000000000", "", "85a01b63025ba19b7fd3ddfc033b3e76c9eac6fa700942702e90862383c6c366" },
        {
            Key, Nonce, "0100000000000000000000000000000002000000000000000000000000000000", "",
            "4a6a9db4c8c6549201b9edb53006cba821ec9cf850948a7c86c68ac7539d027fe819e63abcd020b006a976397632eb5d"
        },
        { Key, Nonce, "0200000000000000", "01", "1de22967237a813291213f267e3b452f02d01ae33e4ec854" },
        { Key, Nonce, "02000000", "010000000000000000000000", "22b3f4cd1835e517741dfddccfa07fa4661b74cf" },
        {
            Key, Nonce, "0300000000000000000000000000000004000000", "010000000000000000000000000000000200",
            "43dd0163cdb48f9fe3212bf61b201976067f342bb879ad976d8242acc188ab59cabfe307"
        },
        {
            "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
            "000000000000000000000000000000004db923dc793ee6497c76dcc03a98e108", "",
            "f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3eaffffffff000000000000000000000000"
        },
        {
            "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
            "eb3640277c7ffd1303c7a542d02d3e4c0000000000000000", "",
            "18ce4f0b8cb4d0cac65fea8f79257b20888e53e72299e56dffffffff000000000000000000000000"
        },
    };

    [Theory]
    [MemberData(nameof(Vectors))]
    public void The_published_vectors(string key, string nonce, string plaintext, string associated, string result)
    {
        foreach (bool accelerated in new[] { true, false })
        {
            var cipher = new AesGcmSiv(Convert.FromHexString(key), accelerated);
            byte[] data = Convert.FromHexString(plaintext), tag = new byte[16], more = Convert.FromHexString(associated);
            cipher.Encrypt(Convert.FromHexString(nonce), data, tag, more);
            Assert.Equal(result, Convert.ToHexStringLower([.. data, .. tag]));
            Assert.True(cipher.TryDecrypt(Convert.FromHexString(nonce), data, tag, more));
            Assert.Equal(plaintext, Convert.ToHexStringLower(data));
        }
    }

    /// <summary>RFC 8452 appendix A.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_published_hash(bool accelerated)
    {
        var hash = new Polyval(Convert.FromHexString("25629347589242761d31f826ba4b757b"), accelerated);
        hash.Add(Convert.FromHexString("4f4f95668c83dfb6401762bb2d01a262d1a24ddd2721d006bbe45f20d3c9f362"));
        byte[] sum = new byte[16];
        hash.Read(sum);
        Assert.Equal("f7a3b47b846119fae5b7866cf5e5b77e", Convert.ToHexStringLower(sum));
    }

    [Fact]
    public void Both_ways_agree_and_damage_is_found()
    {
        var random = new Random(8452);
        for (int bytes = 0; bytes < 2600; bytes = bytes < 300 ? bytes + 1 : bytes + 97)
        {
            byte[] key = RandomNumberGenerator.GetBytes(32), nonce = RandomNumberGenerator.GetBytes(12), plain = RandomNumberGenerator.GetBytes(bytes);
            AesGcmSiv fast = new(key), slow = new(key, accelerated: false);
            byte[] one = [.. plain], other = [.. plain], tag = new byte[16], otherTag = new byte[16];
            fast.Encrypt(nonce, one, tag);
            slow.Encrypt(nonce, other, otherTag);
            Assert.Equal(other, one);
            Assert.Equal(otherTag, tag);
            Assert.True(slow.TryDecrypt(nonce, other, tag));
            Assert.Equal(plain, other);

            byte[] whole = [.. one, .. tag];
            whole[random.Next(whole.Length)] ^= (byte)(1 << random.Next(8));
            byte[] damaged = whole[..bytes];
            Assert.False(fast.TryDecrypt(nonce, damaged, whole.AsSpan(bytes)));
            Assert.All(damaged, b => Assert.Equal(0, b));
        }
    }
}
