"""FastAPI: most of the time goes into validating and serialising a large response, which is the framework's."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Product(BaseModel):
    id: int
    name: str
    tags: list[str]


CATALOGUE = [{"id": number, "name": f"product {number}", "tags": ["a", "b"]} for number in range(2_000)]


@app.get("/products", response_model=list[Product])
def products():
    return CATALOGUE
