using System.Net;
using System.Text;
using System.Text.Json;
using FastExit.Crypto.Primitives;
using FastExit.Identity;
using FastExit.SelfDescription;
using Xunit;

namespace FastExit.Tests.SelfDescription;

/// <summary>mix-link.md, appendix A.3: seed 32 × 01, Sphinx key 32 × 02, Noise key 32 × 04.</summary>
public sealed class VectorTests
{
    private const string Text =
        """{"ip_address":["1.1.1.1","2606:4700:4700::1111"],"hostname":"exit.example.org","keys":{"ed25519_identity":"AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9","x25519_sphinx":"EuHtd9yCn95edmJqLKFeyXeoPw9nPzp1HTwdJEWEw9YL","primary_x25519_sphinx_key":{"rotation_id":1234,"public_key":"EuHtd9yCn95edmJqLKFeyXeoPw9nPzp1HTwdJEWEw9YL"},"pre_announced_x25519_sphinx_key":null,"x25519_versioned_noise":{"supported_version":1,"x25519_pubkey":"CaSdBTVh3N8thsoQZpvu4aYm8be3VMQj2vRUCjiienpS"}}}""";

    private const string Signature = "ACQLh9WZqjDbxDkbpeuhJXtsDyjpGGJmZwvobLziJ7BP2J2aZbXuay5RJRdwNu8gwY62bP6x2mjYHW5X1aKV9yJ";

    private static readonly byte[] s_seed = [.. Enumerable.Repeat((byte)1, 32)];

    [Fact]
    public void The_signed_text_is_the_published_one()
    {
        var written = SerdeJson.Of(Information().Write);
        Assert.Equal(477, written.Length);
        Assert.Equal(Text, Encoding.UTF8.GetString(written));
    }

    [Fact]
    public void The_signature_is_the_published_one_and_verifies_after_reading()
    {
        var signed = SignedObject.Sign(s_seed, SerdeJson.Of(Information().Write));
        Assert.Equal($"{{\"data\":{Text},\"signature\":\"{Signature}\"}}", Encoding.UTF8.GetString(signed));
        using var document = JsonDocument.Parse(signed);
        var read = HostInformation.Read(document.RootElement.GetProperty("data"));
        Assert.True(SignedObject.Verify(document.RootElement, read.Identity, SerdeJson.Of(read.Write)));
        Assert.False(SignedObject.Verify(document.RootElement, read.Identity, SerdeJson.Of((read with { Hostname = null }).Write)));
    }

    [Fact]
    public void A_body_in_another_order_with_white_space_and_more_members_verifies_too()
    {
        var body = $$"""
            { "signature": "{{Signature}}", "new": 1, "data": { "keys": { "more": {}, "x25519_versioned_noise": { "x25519_pubkey": "CaSdBTVh3N8thsoQZpvu4aYm8be3VMQj2vRUCjiienpS", "supported_version": 1 },
              "x25519_sphinx": "EuHtd9yCn95edmJqLKFeyXeoPw9nPzp1HTwdJEWEw9YL", "primary_x25519_sphinx_key": { "public_key": "EuHtd9yCn95edmJqLKFeyXeoPw9nPzp1HTwdJEWEw9YL", "rotation_id": 1234 },
              "ed25519_identity": "AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9" }, "hostname": "exit.example.or\u0067", "ip_address": ["1.1.1.1", "2606:4700:4700:0:0::1111"] } }
            """;
        using var document = JsonDocument.Parse(body);
        var read = HostInformation.Read(document.RootElement.GetProperty("data"));
        Assert.True(SignedObject.Verify(document.RootElement, read.Identity, SerdeJson.Of(read.Write)));
    }

    [Fact]
    public void The_refresh_request_is_the_published_one()
    {
        var identity = Ed25519.PublicKey(s_seed);
        Assert.Equal(
            "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c000000006a07dc20" + Convert.ToHexStringLower("describe-cache-refresh-request"u8),
            Convert.ToHexStringLower(RefreshRequest.SignedBytes(identity, 1778900000)));
        Assert.Equal(
            "6a86a09c45f731027c664eb5d8dee75cfb5978cb7543fab7ad39e7078424a782d46ef12a8fa2b4d8e54ad4f1b792f7ee1a7f85668861ef399acfcea4c2d7010d",
            Convert.ToHexStringLower(RefreshRequest.Sign(s_seed, 1778900000)));
    }

    [Fact]
    public void The_refresh_request_goes_out_as_json_that_verifies()
    {
        using var keys = NodeKeys.Generate(1);
        using var document = JsonDocument.Parse(RefreshRequest.Body(keys, DateTimeOffset.FromUnixTimeSeconds(1778900000)));
        Assert.Equal(NodeKeys.Base58Text(keys.Identity), document.RootElement.GetProperty("node_identity").GetString());
        Assert.Equal(1778900000, document.RootElement.GetProperty("request_timestamp").GetInt64());
        byte[] signature = [.. document.RootElement.GetProperty("signature").EnumerateArray().Select(part => part.GetByte())];
        Assert.True(Ed25519.Verify(keys.Identity, RefreshRequest.SignedBytes(keys.Identity, 1778900000), signature));
    }

    private static HostInformation Information()
    {
        var sphinx = PublicKey(2);
        return new HostInformation
        {
            Addresses = [IPAddress.Parse("1.1.1.1"), IPAddress.Parse("2606:4700:4700::1111")],
            Hostname = "exit.example.org",
            Identity = Ed25519.PublicKey(s_seed),
            SphinxKey = sphinx,
            Primary = new RotationKey(1234, sphinx),
            Noise = new NoiseKey(1, PublicKey(4)),
        };
    }

    private static byte[] PublicKey(byte value)
    {
        var key = new byte[32];
        X25519.MultiplyBase([.. Enumerable.Repeat(value, 32)], key);
        return key;
    }
}
